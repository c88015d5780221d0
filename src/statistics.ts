import { monotonicNow } from "./base/alarm.js";
import type { BrokerAddress } from "./base/errors.js";
import type { LinkState } from "./brokers/known-broker.js";
import type { LinkSlot } from "./brokers/link-slot.js";
import type { DropReason } from "./receiving/receiver.js";
import { addressOf } from "./wire/broker-pool.js";

/** One broker in the result of `router.stats`. */
export interface BrokerStats extends BrokerAddress {
  /** The broker's current state. */
  readonly state: LinkState;
  /** Listened on and told to other peers, listened on in reserve, or used only for sending. */
  readonly role: "inbound" | "reserve" | "outbound";
  /** The latest round trip to a peer by this broker, in ms. */
  readonly roundTripMs?: number | undefined;
  /** The number of publishes, including ACKs. */
  readonly sent: number;
  /** The number of messages whose ACK came by this broker. */
  readonly acknowledged: number;
  /** The number of failed attempts since the broker last worked for a while. */
  readonly failures: number;
  /** The reason for the last failure, in words. */
  readonly lastError?: string | undefined;
  /** The time until the next try, in ms. Only while the broker is waiting. */
  readonly nextTryInMs?: number | undefined;
}

/** The result of `router.stats`. */
export interface RouterStats {
  /** Every broker that was dialled or held so far. */
  readonly brokers: readonly BrokerStats[];
  /** The number of messages handed to the application. */
  readonly received: number;
  /** The number of further copies of these messages. They were acknowledged, but not handed over. */
  readonly duplicates: number;
  /** The number of dropped packets, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** The number of entries in `hintBrokers` and from the hint store that were malformed or must not be dialled. */
  readonly skippedHints: number;
  /** The number of messages that wait for an ACK now. */
  readonly inFlight: number;
}

/** The statistics of one broker. */
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
