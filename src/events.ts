import type { BrokerAddress, SidewireError } from "./errors.js";
import type { LinkState } from "./link-set.js";
import type { InboundMessage } from "./message.js";
import type { DropReason } from "./receiver.js";

/** The `broker` event: a broker's state has changed. */
export interface BrokerEvent {
  readonly broker: BrokerAddress;
  readonly state: LinkState;
  /** Why it is waiting for its next try. */
  readonly error?: SidewireError;
}

/** The `dropped` event: something came in and was not taken. */
export interface DroppedEvent {
  readonly reason: DropReason;
  readonly broker: BrokerAddress;
  /** Who it says it is from; proven only for reasons that come after the check of the signature. */
  readonly from?: string;
  /** With `too-old` and `too-new`: how old it was by its sender's clock, ms; negative when from ahead. */
  readonly ageMs?: number;
}

/** The `skew` event: a peer's clock differs from `getTime` by more than 30 s. At most one a minute and peer. */
export interface SkewEvent {
  readonly from: string;
  /** Positive when the peer's clock is ahead, ms. */
  readonly offsetMs: number;
}

/** The `handlerError` event: a handler threw or rejected. */
export interface HandlerErrorEvent {
  readonly error: unknown;
  /** The message it was called with; absent where it was not a message handler. */
  readonly message?: InboundMessage;
}

/** The events of a {@link Router}. */
export interface RouterEvents {
  message: (message: InboundMessage) => void;
  broker: (event: BrokerEvent) => void;
  dropped: (event: DroppedEvent) => void;
  skew: (event: SkewEvent) => void;
  handlerError: (event: HandlerErrorEvent) => void;
}
