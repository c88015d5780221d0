import { monotonicNow } from "./base/alarm.js";
import type { BrokerAddress } from "./base/errors.js";
import type { LinkState } from "./brokers/known-broker.js";
import type { LinkSlot } from "./brokers/link-slot.js";
import type { DropReason } from "./receiving/receiver.js";
import { addressOf } from "./wire/broker-pool.js";

/** What `router.stats` tells of one broker. */
export interface BrokerStats extends BrokerAddress {
  /** What it is doing now. */
  readonly state: LinkState;
  /** Listened on and told to others, listened on in reserve, or only sent by. */
  readonly role: "inbound" | "reserve" | "outbound";
  /** The latest round trip to a peer through it, ms. */
  readonly roundTripMs?: number | undefined;
  /** Publishes, ACKs included. */
  readonly sent: number;
  /** Messages whose ACK came by it. */
  readonly acknowledged: number;
  /** Failed attempts since it last worked for a while. */
  readonly failures: number;
  /** Why it failed the last time, in words. */
  readonly lastError?: string | undefined;
  /** Until it is dialled again, ms, while it is waiting. */
  readonly nextTryInMs?: number | undefined;
}

/** What `router.stats` returns. */
export interface RouterStats {
  /** Every broker that was dialled or held so far. */
  readonly brokers: readonly BrokerStats[];
  /** Messages handed to the application. */
  readonly received: number;
  /** Further copies of them, which were acknowledged and not handed over. */
  readonly duplicates: number;
  /** How many packets were dropped, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** Entries of `hintBrokers`, and of what the hint store gave, that are malformed or may not be dialled. */
  readonly skippedHints: number;
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
    ...traffic,
    failures,
    lastError: lastError?.message,
    nextTryInMs: state === "waiting" ? Math.max(0, retryAt - monotonicNow()) : undefined,
  };
}
