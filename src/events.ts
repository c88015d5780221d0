import type { BrokerAddress, SidewireError } from "./base/errors.js";
import type { LinkState } from "./brokers/known-broker.js";
import type { InboundMessage } from "./message.js";
import type { DropReason } from "./receiving/receiver.js";

/** The `broker` event: a broker's state has changed. */
export interface BrokerEvent {
  /** The broker. */
  readonly broker: BrokerAddress;
  /** The broker's new state. */
  readonly state: LinkState;
  /** Why the broker waits for its next try. */
  readonly error?: SidewireError | undefined;
}

/** The `dropped` event: a packet came in and was not accepted. */
export interface DroppedEvent {
  /** Why the packet was not accepted. */
  readonly reason: DropReason;
  /** The broker that the packet came by. */
  readonly broker: BrokerAddress;
  /** The claimed source of the packet. The source is only proven for reasons that come after the signature check. */
  readonly from?: string | undefined;
  /**
   * The packet's age according to its timestamp, in ms; negative for a timestamp in the future. Only with `too-old` and
   * `too-new`.
   */
  readonly ageMs?: number | undefined;
}

/**
 * The `skew` event: a peer's clock differs from `getTime` by more than 30 s. At most one event a minute for each peer.
 */
export interface SkewEvent {
  /** The peer's address: 66 hex characters. */
  readonly from: string;
  /** The difference in ms; positive when the peer's clock is ahead. */
  readonly offsetMs: number;
}

/**
 * The `handlerError` event: one of the application's own functions failed. Either a handler threw or rejected, or
 * `accept`, `getTime`, `verify` or a function of the identity failed. Failures of the latter functions are reported
 * once in 10 s at most.
 */
export interface HandlerErrorEvent {
  /** What the function threw or rejected with. */
  readonly error: unknown;
  /** The message that the function was called with; absent if the function was not a message handler. */
  readonly message?: InboundMessage | undefined;
}

/**
 * The events of a {@link Router}.
 *
 * @example
 * ```ts
 * router.on("dropped", ({ reason, from }) => console.warn(reason, from));
 * ```
 */
export interface RouterEvents {
  /** A message came in. */
  message: (message: InboundMessage) => void;
  /** A broker's state has changed. */
  broker: (event: BrokerEvent) => void;
  /** A packet came in and was not accepted. */
  dropped: (event: DroppedEvent) => void;
  /**
   * A peer's clock and `getTime` differ by more than 30 s. The difference comes from the peer's ACKs or messages. A
   * message may have been on its way for a minute, which is taken into account. A message that is too old may be a
   * replay, so it only causes a `dropped` event.
   */
  skew: (event: SkewEvent) => void;
  /** One of the application's own functions failed. Without a listener, the error goes to `console.error`. */
  handlerError: (event: HandlerErrorEvent) => void;
}
