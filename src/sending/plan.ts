import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { Settings } from "../options.js";
import type { PeerHistory } from "./peer-history.js";

/** How one message goes on its way. */
export interface Plan {
  /** To how many brokers it goes at once, and how many join in at each widening. */
  readonly fanOut: number;
  /** Until the next brokers join in, ms. */
  readonly widenAfterMs: number;
  /** No repeat comes sooner after a publish than this, ms: the answer cannot be there. */
  readonly answerMs: number;
  /** How long a long message may take from a broker to the peer, ms. */
  readonly arrivingMs: number;
  /** Whether what comes due together is done in descending order, as the Python original needs. */
  readonly newestFirst: boolean;
  /** How much later it is given up at most because its bytes were still leaving, ms. */
  readonly leavingMs: number;
}

/** A message that goes out. */
export interface Outgoing {
  readonly to: string;
  /** Of its packet. */
  readonly bytes: number;
  /** Of all long messages that are on their way to the same peer, this one included. */
  readonly bytesInFlight: number;
  readonly timeoutMs: number;
}

/** No repeat comes within so many usual round trips of a publish: the answer may be on its way. */
const ANSWER_ROUND_TRIPS = 1.5;

/** How long the Python original may wait before it sends an ACK: until the next tick of its loop. */
const TICK_MS = 500;

/** The copies of a long message that go out at once may keep a line busy for so long, ms. */
const AT_ONCE_MS = 200;

/** A line may take so many times as long as it is expected to. */
const MARGIN = 2;

/**
 * How a message goes on its way: a short one to several brokers at once; a long one to as many as our line and the
 * peer's carry in a moment, with the time that its bytes take.
 */
export function planFor(
  { to, bytes, bytesInFlight, timeoutMs }: Outgoing,
  settings: Settings,
  line: LineSpeed,
  peers: PeerHistory,
): Plan {
  const roundTripMs = peers.roundTripMs(to) ?? 0;
  const isOriginal = peers.isOriginal(to);
  const newestFirst = isOriginal !== false;
  const widenAfterMs = Math.max(settings.widenAfterMs, 2 * roundTripMs) + (isOriginal ? TICK_MS : 0);
  const answerMs = ANSWER_ROUND_TRIPS * roundTripMs;
  if (bytes < LONG_BYTES)
    return { fanOut: settings.fanOut, widenAfterMs, answerMs, newestFirst, arrivingMs: 0, leavingMs: 0 };

  const speed = peers.speedOf(to);
  const arrivingMs = MARGIN * speed.msFor(Math.max(bytes, bytesInFlight));
  const atOnce = Math.min(line.bytesWithin(AT_ONCE_MS), speed.bytesWithin(AT_ONCE_MS));
  return {
    // Each copy on a slow line would hold up the others.
    fanOut: Math.min(Math.max(Math.floor(atOnce / bytes), 1), settings.fanOut),
    // Whether it still leaves is looked at when it would be widened.
    widenAfterMs: Math.min(widenAfterMs, timeoutMs / 2),
    answerMs: answerMs + arrivingMs,
    newestFirst,
    arrivingMs,
    leavingMs: LineSpeed.longestMs(bytes),
  };
}
