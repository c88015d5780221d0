import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { Settings } from "../options.js";
import type { PeerHistory } from "./peer-history.js";

/** How one message is sent. */
export interface Plan {
  /** How many brokers the message goes to at once, and how many join at each widening. */
  readonly fanOut: number;
  /** How long to wait until the next brokers join, in ms. */
  readonly widenAfterMs: number;
  /** The shortest time between a publish and a repeat, in ms. Before that, an ACK cannot have come. */
  readonly answerMs: number;
  /** How long a long message may take from a broker to the peer, in ms. */
  readonly arrivingMs: number;
  /** Whether actions that are due together are done in descending order, which the Python original needs. */
  readonly newestFirst: boolean;
  /** How much later the message may be given up, because its bytes were still leaving, in ms. */
  readonly leavingMs: number;
}

/** A message to be sent. */
export interface Outgoing {
  readonly to: string;
  /** The length of the message's packet. */
  readonly bytes: number;
  /** The length of all long messages on their way to the same peer, including this one. */
  readonly bytesInFlight: number;
  readonly timeoutMs: number;
}

/** A repeat waits at least this many mean round trips after a publish, because the ACK may be on its way. */
const ANSWER_ROUND_TRIPS = 1.5;

/** How long the Python original may wait before it sends an ACK: one interval of its loop, in ms. */
const TICK_MS = 500;

/** The copies of a long message that leave at once may keep a line busy for this time, in ms. */
const AT_ONCE_MS = 200;

/** A line may take this many times as long as expected. */
const MARGIN = 2;

/**
 * Plans the way of a message. A short message goes to several brokers at once. A long message goes to as many brokers
 * as this machine's line and the peer's line can carry in a short time, and gets more time for its bytes.
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
    // On a slow line, each copy would delay the others.
    fanOut: Math.min(Math.max(Math.floor(atOnce / bytes), 1), settings.fanOut),
    // At that time the delivery checks whether the bytes are still leaving, and does not widen then.
    widenAfterMs: Math.min(widenAfterMs, timeoutMs / 2),
    answerMs: answerMs + arrivingMs,
    newestFirst,
    arrivingMs,
    leavingMs: LineSpeed.longestMs(bytes),
  };
}
