import { isRecord } from "../base/schema.js";

/** An offer or an answer of the platform. */
export interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** The content of a signal. */
export type SignalContent =
  /** An offer or an answer, with the candidates known so far. Each side numbers its own descriptions from 0. */
  | {
      readonly number: number;
      readonly description: Description;
      readonly candidates?: readonly RTCIceCandidateInit[];
    }
  /** More candidates. Their `usernameFragment` names the description that they belong to. */
  | { readonly candidates: readonly RTCIceCandidateInit[] }
  /** The sender has ended the connection permanently. */
  | { readonly end: true };

/**
 * A message between two peers that have no channel yet. Each RTCPeerConnection of a peer is a life. A signal names the
 * life of its sender, so that the receiver recognises a late signal of an old life.
 */
export interface Signal {
  /** The id of the sender's life. A later life of the same peer has a greater id, in the order of texts. */
  readonly from: string;
  /** The id of the receiver's life. Absent while the sender calls and has no answer. */
  readonly to?: string;
  readonly content: SignalContent;
}

/** The start of the text of every signal. Other messages of a program do not start like this. */
const BEGINNING = '{"webrtc":1,';

/** The maximum length of a signal. An offer with a channel has 1000 characters, one with many tracks 10 000. */
const MAX_LENGTH = 40_000;
/** The format of the ids of lives. */
const LIFE = /^[0-9a-z-]{1,40}$/;
/** The maximum length of a candidate. */
const MAX_CANDIDATE_LENGTH = 1000;
/** The maximum number of candidates in a signal. A machine has a few addresses, each with a few candidates. */
export const MAX_CANDIDATES = 32;

/** Whether a text starts like a signal. */
export function isSignalText(text: string): boolean {
  return text.startsWith(BEGINNING);
}

/** The text of a signal. */
export function formatSignal({ from, to, content }: Signal): string {
  return JSON.stringify({ webrtc: 1, from, to, content });
}

/** Reads a signal. @returns undefined for any other text */
export function parseSignal(text: string): Signal | undefined {
  if (text.length > MAX_LENGTH || !isSignalText(text)) return undefined;
  const { from, to, content } = fieldsOf(parseJson(text));
  if (!isLife(from) || (to !== undefined && !isLife(to))) return undefined;
  const parsed = parseContent(fieldsOf(content));
  if (parsed === undefined) return undefined;
  return { from, ...(to === undefined ? {} : { to }), content: parsed };
}

function isLife(value: unknown): value is string {
  return typeof value === "string" && LIFE.test(value);
}

function parseContent({ number, description, candidates, end }: Fields): SignalContent | undefined {
  if (end === true) return { end };
  const ways = candidates === undefined ? undefined : parseCandidates(candidates);
  if (ways === undefined && (candidates !== undefined || description === undefined)) return undefined;
  if (description === undefined) return ways && { candidates: ways };
  const { type, sdp } = fieldsOf(description);
  if (type !== "offer" && type !== "answer") return undefined;
  if (typeof sdp !== "string" || typeof number !== "number") return undefined;
  if (!Number.isSafeInteger(number) || number < 0) return undefined;
  return { number, description: { type, sdp }, ...(ways === undefined ? {} : { candidates: ways }) };
}

function parseCandidates(value: unknown): RTCIceCandidateInit[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_CANDIDATES) return undefined;
  // Malformed candidates are left out. The other candidates still work.
  return value.flatMap((each) => parseCandidate(fieldsOf(each)) ?? []);
}

function parseCandidate(fields: Fields): RTCIceCandidateInit | undefined {
  const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = fields;
  if (!isShort(candidate) || !isShort(sdpMid)) return undefined;
  return {
    candidate,
    sdpMid,
    ...(typeof sdpMLineIndex === "number" ? { sdpMLineIndex } : {}),
    ...(isShort(usernameFragment) ? { usernameFragment } : {}),
  };
}

function isShort(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CANDIDATE_LENGTH;
}

type Fields = Readonly<Record<string, unknown>>;

function fieldsOf(value: unknown): Fields {
  return isRecord(value) ? value : {};
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
