import { isRecord } from "../base/schema.js";

/** An offer or an answer, as the platform makes it. */
export interface Description {
  readonly type: "offer" | "answer";
  readonly sdp: string;
}

/** What one side of a negotiation tells the other. */
export type SignalContent =
  /** An offer or an answer, and the candidates known so far. Each side counts its own from 0. */
  | {
      readonly number: number;
      readonly description: Description;
      readonly candidates?: readonly RTCIceCandidateInit[];
    }
  /** More ways to be reached. Their `usernameFragment` says which description they belong to. */
  | { readonly candidates: readonly RTCIceCandidateInit[] }
  /** The sender has ended the connection for good. */
  | { readonly end: true };

/**
 * What two peers tell each other before they have a channel. Every RTCPeerConnection that a peer begins is a life of
 * its own. A signal names the life that it is from, so that a signal of an old one is recognised, however late it comes.
 */
export interface Signal {
  /** The sender's present life. Of two lives of one peer, the id of the later one is the greater text. */
  readonly from: string;
  /** The receiver's life that this is for; absent while the sender calls and has no answer. */
  readonly to?: string;
  readonly content: SignalContent;
}

/** The text of every signal begins so, and of nothing else that a program would send. */
const BEGINNING = '{"webrtc":1,';

/** What is longer is no signal: an offer with a channel has 1000 characters, one with many tracks ten times as many. */
const MAX_LENGTH = 40_000;
/** What the names of lives look like. */
const LIFE = /^[0-9a-z-]{1,40}$/;
/** No candidate is longer. */
const MAX_CANDIDATE_LENGTH = 1000;
/** How many candidates one signal may carry. A machine has a few addresses, each with a few ways to it. */
export const MAX_CANDIDATES = 32;

/** Whether a text is meant as a signal. */
export function isSignalText(text: string): boolean {
  return text.startsWith(BEGINNING);
}

/** The text of a signal. */
export function formatSignal({ from, to, content }: Signal): string {
  return JSON.stringify({ webrtc: 1, from, to, content });
}

/** A signal from its text; undefined for anything else. */
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
  // One that is none is one way less.
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
