import { monotonicNow } from "./alarm.js";
import { addressOf } from "./broker-pool.js";
import type { BrokerAddress } from "./errors.js";
import type { LinkSlot, LinkState } from "./link-set.js";
import type { DropReason } from "./receiver.js";

/** What `router.stats` tells of one broker. */
export interface BrokerStats extends BrokerAddress {
  readonly state: LinkState;
  /** Listened on and told to others, listened on in reserve, or only sent by. */
  readonly role: "inbound" | "reserve" | "outbound";
  /** The latest round trip to a peer through it, ms. */
  readonly roundTripMs?: number;
  /** Publishes, ACKs included. */
  readonly sent: number;
  /** Messages whose ACK came by it. */
  readonly acknowledged: number;
  /** Failed attempts since it last worked for a while. */
  readonly failures: number;
  readonly lastError?: string;
  /** Until it is dialled again, ms, while it is waiting. */
  readonly nextTryInMs?: number;
}

/** What `router.stats` returns. */
export interface RouterStats {
  readonly brokers: readonly BrokerStats[];
  /** Messages handed to the application. */
  readonly received: number;
  /** Further copies of them, which were acknowledged and not handed over. */
  readonly duplicates: number;
  /** How many packets were dropped, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** Messages that wait for an ACK now. */
  readonly inFlight: number;
}

/** What one broker did so far. */
export function brokerStats(slot: LinkSlot, role: BrokerStats["role"]): BrokerStats {
  const { broker, state, traffic, failures, lastError, retryAt } = slot;
  return {
    ...addressOf(broker),
    state,
    role,
    ...(traffic.roundTripMs === undefined ? {} : { roundTripMs: traffic.roundTripMs }),
    sent: traffic.sent,
    acknowledged: traffic.acknowledged,
    failures,
    ...(lastError === undefined ? {} : { lastError: lastError.message }),
    ...(state === "waiting" ? { nextTryInMs: Math.max(0, retryAt - monotonicNow()) } : {}),
  };
}
