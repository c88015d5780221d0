import type { BrokerAddress } from "./base/errors.js";

/** What a send, a delivery or a probe takes. */
export interface SendOptions {
  /** How long to wait for the ACK, ms, from when the message's turn has come. Default: 4000; 1 to 600 000. */
  timeoutMs?: number | undefined;
  /** Ends the wait with an `AbortError`; what was published may still arrive. */
  signal?: AbortSignal | undefined;
}

/** How a message was delivered. */
export interface Receipt {
  /** Bytes of the message that was acknowledged. */
  readonly bytes: number;
  /** The broker that the first ACK came by. */
  readonly broker: BrokerAddress;
  /** From the first publish to the first ACK, ms. */
  readonly roundTripMs: number;
  /** How often the message was published, over all brokers. */
  readonly attempts: number;
  /** The brokers it was published on, in the order of their turn. */
  readonly brokersTried: readonly BrokerAddress[];
  /**
   * How far the peer's clock is ahead of `getTime`, ms; negative when it is behind. Known to about a
   * second: ACKs carry whole seconds.
   */
  readonly remoteClockOffsetMs: number;
}

/** A message that came in. */
export interface InboundMessage {
  /** What it says: bytes of its own, opened if it was sealed. */
  readonly data: Uint8Array;
  /** The data as UTF-8 text; what is not valid UTF-8 becomes U+FFFD. */
  text(): string;
  /** The sender's address, proven by its signature. */
  readonly from: string;
  /** The sender's queue, 64 hex characters: messages of one queue come in order. */
  readonly queueId: string;
  /** The place in that queue. */
  readonly sequence: number;
  /** When the sender says it was sent, Unix ms (whole seconds). */
  readonly sentAt: number;
  /** The broker it came by first. */
  readonly broker: BrokerAddress;
  /** Whether it was end-to-end encrypted. */
  readonly sealed: boolean;
  /**
   * Sends a message back, through a pipe that is kept for further replies.
   * @returns the number of bytes acknowledged, 0 when no ACK came in time; an empty one gives 0 either way
   */
  reply(data: string | Uint8Array, options?: SendOptions): Promise<number>;
}
