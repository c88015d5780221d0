import type { BrokerAddress, SidewireError } from "./base/errors.js";
import type { LinkState } from "./brokers/known-broker.js";
import type { InboundMessage } from "./message.js";
import type { DropReason } from "./receiving/receiver.js";

/** The `broker` event: a broker's state has changed. */
export interface BrokerEvent {
  /** Which broker. */
  readonly broker: BrokerAddress;
  /** What it is doing now. */
  readonly state: LinkState;
  /** Why it is waiting for its next try. */
  readonly error?: SidewireError | undefined;
}

/** The `dropped` event: something came in and was not taken. */
export interface DroppedEvent {
  /** Why it was not taken. */
  readonly reason: DropReason;
  /** The broker that it came by. */
  readonly broker: BrokerAddress;
  /** Who it says it is from; proven only for reasons that come after the check of the signature. */
  readonly from?: string | undefined;
  /** With `too-old` and `too-new`: how old it was by its sender's clock, ms; negative when from ahead. */
  readonly ageMs?: number | undefined;
}

/** The `skew` event: a peer's clock differs from `getTime` by more than 30 s. At most one a minute and peer. */
export interface SkewEvent {
  /** The peer's address: 66 hex characters. */
  readonly from: string;
  /** Positive when the peer's clock is ahead, ms. */
  readonly offsetMs: number;
}

/**
 * The `handlerError` event: one of the application's own functions failed. A handler threw or rejected; or `accept`,
 * `getTime` or a function of the identity did, which is told every 10 s at most.
 */
export interface HandlerErrorEvent {
  /** What it threw or rejected with. */
  readonly error: unknown;
  /** The message it was called with; absent where it was not a message handler. */
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
  /** Something came in and was not taken. */
  dropped: (event: DroppedEvent) => void;
  /**
   * A peer's clock and `getTime` are more than 30 s apart: by its ACKs, or by its messages, which may have been on
   * their way for a minute. One that is too old to be shown may be a replay, and is told of by `dropped` alone.
   */
  skew: (event: SkewEvent) => void;
  /** One of the application's own functions failed; without a listener it goes to `console.error`. */
  handlerError: (event: HandlerErrorEvent) => void;
}
