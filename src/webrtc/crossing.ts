import type { Description } from "./signal.js";

/** The lines of an offer that an answer takes over: the sender's credentials, candidates and key. */
const TAKEN = /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint|sctp-port|max-message-size|candidate):?/;

/** The maximum number of lines that are read of an offer. */
const MAX_LINES = 200;

/**
 * Converts an offer to an answer, when both sides have offered one data channel at the same time. Normally one side
 * would take its offer back and send an answer, which costs one more message. But the two offers only differ in who
 * begins the handshake of DTLS. So each side uses the other side's offer as the answer to its own offer.
 *
 * @param theirs - the text of the other side's offer
 * @param own - the text of the own offer
 * @param begins - whether the other side begins the handshake. Exactly one of the two sides must do so.
 */
export function answerOf(theirs: string, own: string, begins: boolean): Description {
  const mid = attribute(own, "mid") ?? "0";
  const taken = linesOf(theirs).filter((line) => TAKEN.test(line));
  const lines = [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    ...new Set(taken),
    `a=setup:${begins ? "active" : "passive"}`,
    `a=mid:${mid}`,
  ];
  return { type: "answer", sdp: `${lines.join("\r\n")}\r\n` };
}

/** Whether an offer only contains data channels, and no media. */
export function isOfChannelAlone(offer: string): boolean {
  const media = linesOf(offer).filter((line) => line.startsWith("m="));
  return media.length === 1 && media[0]?.startsWith("m=application ") === true;
}

/** The value of the first attribute with this name. */
export function attribute(sdp: string, name: string): string | undefined {
  const line = linesOf(sdp).find((each) => each.startsWith(`a=${name}:`));
  return line?.slice(`a=${name}:`.length);
}

function linesOf(sdp: string): string[] {
  return sdp.split(/\r?\n/, MAX_LINES);
}
