import type { BrokerAddress } from "./base/errors.js";

/** The options of a send, a delivery or a probe. */
export interface SendOptions {
  /**
   * How long to wait for the ACK, in ms. The time starts when the message's turn has come. Default: 4000; 1 to 600 000.
   */
  timeoutMs?: number | undefined;
  /** Ends the wait with an `AbortError`. A message that was published may still arrive. */
  signal?: AbortSignal | undefined;
}

/** How a message was delivered. */
export interface Receipt {
  /** The length of the acknowledged message in bytes. */
  readonly bytes: number;
  /** The broker that delivered the first ACK. */
  readonly broker: BrokerAddress;
  /** The time from the first publish to the first ACK, in ms. */
  readonly roundTripMs: number;
  /** How many times the message was published, over all brokers. */
  readonly attempts: number;
  /** The brokers that the message was published on, in the order of their turn. */
  readonly brokersTried: readonly BrokerAddress[];
  /**
   * How far the peer's clock is ahead of `getTime`, in ms; negative when the peer's clock is behind. Accurate to about
   * one second, because ACKs carry whole seconds.
   */
  readonly remoteClockOffsetMs: number;
}

/** A message that came in. */
export interface InboundMessage {
  /** The message's content, already opened if the message was sealed. The receiver owns the bytes. */
  readonly data: Uint8Array;
  /** The content as UTF-8 text. Bytes that are not valid UTF-8 become U+FFFD. */
  text(): string;
  /** The sender's address, proven by the sender's signature. */
  readonly from: string;
  /** The sender's queue, 64 hex characters. Messages of one queue come in order. */
  readonly queueId: string;
  /** The message's number in that queue. */
  readonly sequence: number;
  /** The time of sending according to the sender, in Unix ms (whole seconds). */
  readonly sentAt: number;
  /** The broker that delivered the first copy. */
  readonly broker: BrokerAddress;
  /** Whether the message was end-to-end encrypted. */
  readonly sealed: boolean;
  /**
   * Sends a message back to the sender. The pipe for replies is kept for further replies.
   * @returns the number of bytes acknowledged, or 0 when no ACK came in time. An empty message gives 0 in both cases.
   */
  reply(data: string | Uint8Array, options?: SendOptions): Promise<number>;
}
