import { monotonicNow } from "../base/alarm.js";
import type { Identity } from "../wire/identity.js";
import { AppPacket, type MessageType } from "../wire/packet.js";
import type { Place } from "./outbox.js";

/**
 * A message that is repeated after this time is signed again with a new timestamp. A receiver drops packets that are
 * twice as old. The Python original does the same, but repeats no longer than this time.
 */
const RENEW_AFTER_MS = 60_000;

/** The content of a packet, without its timestamp. */
export interface PackingOptions {
  readonly place: Place;
  readonly type: MessageType;
  readonly message: Uint8Array;
  readonly signer: Identity;
  /** The wall clock, in ms; may throw. */
  readonly wallNow: () => number;
}

/**
 * Signs one message as packets. The wall clock is read once for each packet. So a clock that fails later does not turn
 * a delivered message into a failure.
 */
export class Packing {
  readonly #options: PackingOptions;
  #wall: { readonly at: number; readonly time: number };

  /** @throws the error of the clock */
  constructor(options: PackingOptions) {
    this.#options = options;
    this.#wall = this.#look();
  }

  /** Signs the message with the time of the latest look at the clock. */
  async pack(): Promise<Uint8Array> {
    const { place, type, message, signer } = this.#options;
    const timestamp = Math.floor(this.#wall.time / 1000);
    return await AppPacket.pack({ ...place, timestamp, type, message }, signer);
  }

  /** Signs the message again when its timestamp is old. Resolves with undefined before that. */
  readonly renew = async (): Promise<Uint8Array | undefined> => {
    const now = this.#look();
    if (Math.abs(now.time - this.#wall.time) < RENEW_AFTER_MS) return undefined;
    this.#wall = now;
    return await this.pack();
  };

  /** The wall clock's time at a moment of the monotonic clock. */
  wallAt(at: number): number {
    return this.#wall.time + at - this.#wall.at;
  }

  #look(): { readonly at: number; readonly time: number } {
    return { at: monotonicNow(), time: this.#options.wallNow() };
  }
}
