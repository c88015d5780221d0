import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerOf, attribute, isOfChannelAlone } from "../src/webrtc/crossing.js";

const offerOf = (mid: string, ...lines: readonly string[]): string =>
  [
    "v=0",
    "o=- 4611 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    "a=fingerprint:sha-256 AB:CD",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:secret",
    "a=setup:actpass",
    `a=mid:${mid}`,
    "a=sctp-port:5000",
    ...lines,
    "",
  ].join("\r\n");

describe("an offer that crosses one's own", () => {
  it("becomes the answer: its sender's credentials and fingerprint, one's own name of the channel", () => {
    const theirs = offerOf("data", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=extmap-allow-mixed");
    const { type, sdp } = answerOf(theirs, offerOf("0"), true);
    expect(type).toBe("answer");
    expect(attribute(sdp, "ice-ufrag")).toBe("abcd");
    expect(attribute(sdp, "fingerprint")).toBe("sha-256 AB:CD");
    expect(attribute(sdp, "candidate")).toBe("1 1 udp 1 192.0.2.1 9 typ host");
    expect(attribute(sdp, "mid")).toBe("0");
    expect(attribute(sdp, "group")).toBe("BUNDLE 0");
    expect(attribute(sdp, "setup")).toBe("active");
    expect(attribute(answerOf(theirs, offerOf("0"), false).sdp, "setup")).toBe("passive");
    expect(sdp).not.toContain("extmap");
  });

  it("is taken so only when it is of one channel", () => {
    expect(isOfChannelAlone(offerOf("0"))).toBe(true);
    expect(isOfChannelAlone(offerOf("0", "m=audio 9 UDP/TLS/RTP/SAVPF 111"))).toBe(false);
    expect(isOfChannelAlone("m=audio 9 UDP/TLS/RTP/SAVPF 111")).toBe(false);
    expect(isOfChannelAlone("")).toBe(false);
  });

  it("may be any text: the answer has one channel, and no line that an answer takes from nobody", () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "m=application 9",
        "a=setup:active",
        "a=mid:7",
        "a=ice-ufrag:x",
        "a=candidate:1",
        "b=AS:1",
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 400 }), (lines) => {
        const { sdp } = answerOf(lines.join("\n"), offerOf("0"), true);
        const all = sdp.split("\r\n");
        expect(all.filter((each) => each.startsWith("m="))).toHaveLength(1);
        expect(all.filter((each) => /^a=(setup|mid):/.test(each))).toEqual(["a=setup:active", "a=mid:0"]);
        expect(all.length).toBeLessThan(220);
      }),
    );
  });
});
