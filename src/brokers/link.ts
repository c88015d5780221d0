import type { BrokerError } from "../base/errors.js";
import type { SocketTarget } from "../platform/platform.js";
import type { Broker } from "../wire/broker-pool.js";
import type { LineSpeed } from "./line-speed.js";
import type { ReadScheduler } from "./read-scheduler.js";
import type { Subscriber } from "./subscriptions.js";

/** The options of a link. */
export interface LinkOptions {
  readonly broker: Broker;
  readonly target: SocketTarget;
  /** The first subscribers of the link. Called when the first SUBSCRIBE is sent. */
  readonly subscribers: () => readonly Subscriber[];
  /**
   * Whether SUBSCRIBE follows CONNECT at once, which saves a round trip, or waits for CONNACK. MQTT 3.1.1 (section
   * 3.1.4) allows the first, but not all brokers accept it.
   */
  readonly isPipelined: boolean;
  /** How long the broker may take to connect, and later to answer a subscription, in ms. */
  readonly connectTimeoutMs: number;
  /** The speed of the line that all links share. */
  readonly speed: LineSpeed;
  /** Decides when received bytes are read. */
  readonly scheduler: ReadScheduler;
  /**
   * Called with false when the broker's address does not answer as fast as one on this machine would. Called with true
   * when the address answers.
   */
  readonly onReach?: (isAnswering: boolean) => void;
  /** Called once with the reason when the session has ended. */
  readonly onClose: (error: BrokerError) => void;
}

/** One MQTT session with one broker, subscribed to topics of own addresses. */
export interface BrokerLink {
  /** When the broker was last heard; monotonic ms. */
  readonly heardAt: number;
  /** Whether a long message on a topic is coming in now. */
  isReceiving(topic: string): boolean;
  /**
   * Subscribes to one more topic. Topics of the same turn of the event loop share one packet, and so do topics that are
   * added while an answer is missing.
   */
  subscribe(subscriber: Subscriber): void;
  /** Unsubscribes from a topic. */
  unsubscribe(subscriber: Subscriber): void;
  /**
   * Publishes at QoS 0.
   * @param onLeft - called when the broker has read a long message; before that, bytes of the message were still on the
   * line
   * @returns false when the session is over, or when so many bytes are unsent that the broker must be stuck
   */
  publish(topic: string, payload: Uint8Array, onLeft?: () => void): boolean;
  /** Pings the broker. Without an answer within 3 s the session ends. */
  check(): void;
  /** Closes the session. If `graceful`, sends DISCONNECT first. The close takes at most half a second. */
  close(graceful: boolean): Promise<void>;
}

/** Opens a link. Tests replace this function. */
export type OpenLink = (options: LinkOptions, signal: AbortSignal) => Promise<BrokerLink>;
