import type { BrokerError } from "../base/errors.js";
import type { SocketTarget } from "../platform/platform.js";
import type { Broker } from "../wire/broker-pool.js";
import type { LineSpeed } from "./line-speed.js";
import type { ReadScheduler } from "./read-scheduler.js";
import type { Subscriber } from "./subscriptions.js";

/** What a link is opened with. */
export interface LinkOptions {
  readonly broker: Broker;
  readonly target: SocketTarget;
  /** Who listens on it from the beginning: asked for when SUBSCRIBE is sent. */
  readonly subscribers: () => readonly Subscriber[];
  /**
   * Whether SUBSCRIBE follows CONNECT at once, which saves a round trip, or waits for CONNACK. MQTT 3.1.1 (3.1.4) has
   * brokers take the first; not all of them do.
   */
  readonly isPipelined: boolean;
  /** How long the broker may take to be connected, and to answer a subscription later. */
  readonly connectTimeoutMs: number;
  /** Of the line that all links share. */
  readonly speed: LineSpeed;
  /** Says when what came in is read. */
  readonly scheduler: ReadScheduler;
  /** Called when its address is not on this machine, or gone: a moment after it was dialled, and when it answers. */
  readonly onReach?: (isAnswering: boolean) => void;
  /** Called with how it ended, once the session is over. */
  readonly onClose: (error: BrokerError) => void;
}

/** One MQTT session with one broker, subscribed to the own addresses. */
export interface BrokerLink {
  /** When the broker was last heard of; monotonic ms. */
  readonly heardAt: number;
  /** Whether a long message is coming in now on a topic. */
  isReceiving(topic: string): boolean;
  /** Listens on one more topic. Who asks in one turn, or while an answer is waited for, asks together. */
  subscribe(subscriber: Subscriber): void;
  /** Listens on it no more. */
  unsubscribe(subscriber: Subscriber): void;
  /**
   * Publishes at QoS 0.
   * @param onLeft - called when the broker has read a long message: until then its bytes were on the line
   * @returns false when the session is over, or so much is unsent that the broker must be stuck
   */
  publish(topic: string, payload: Uint8Array, onLeft?: () => void): boolean;
  /** Asks the broker for a sign of life; without one the session is over 3 s later. */
  check(): void;
  /** Leaves: says DISCONNECT when `graceful`, and is gone within half a second in any case. */
  close(graceful: boolean): Promise<void>;
}

/** The seam between links and what manages them. */
export type OpenLink = (options: LinkOptions, signal: AbortSignal) => Promise<BrokerLink>;
