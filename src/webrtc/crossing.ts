import type { Description } from "./signal.js";

/** What an answer takes over from an offer: how its sender is reached, and by which key it is known. */
const TAKEN = /^a=(?:ice-ufrag|ice-pwd|ice-options|fingerprint|sctp-port|max-message-size|candidate):?/;

/** So many lines of an offer are looked at. */
const MAX_LINES = 200;

/**
 * Both sides have offered one data channel. Instead of one of them taking its offer back, and answering in a message
 * more, each takes the other's offer for the answer to its own: the two say the same about everything but who begins
 * the handshake of DTLS.
 *
 * @param theirs - their offer
 * @param own - the text of the own one
 * @param begins - whether the other side begins the handshake; of the two sides, one must
 * @returns the answer
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

/** Whether an offer is of one data channel and nothing else. */
export function isOfChannelAlone(offer: string): boolean {
  const media = linesOf(offer).filter((line) => line.startsWith("m="));
  return media.length === 1 && media[0]?.startsWith("m=application ") === true;
}

/** The value of an attribute, the first one of this name. */
export function attribute(sdp: string, name: string): string | undefined {
  const line = linesOf(sdp).find((each) => each.startsWith(`a=${name}:`));
  return line?.slice(`a=${name}:`.length);
}

function linesOf(sdp: string): string[] {
  return sdp.split(/\r?\n/, MAX_LINES);
}
