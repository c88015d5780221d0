import { monotonicNow } from "../base/alarm.js";
import type { Identity } from "../wire/identity.js";
import { AppPacket, type MessageType } from "../wire/packet.js";
import type { Place } from "./outbox.js";

/**
 * A message is packed anew when it is repeated after so long: a receiver drops what is twice as old. So does the
 * Python original, which repeats for no longer than this.
 */
const RENEW_AFTER_MS = 60_000;

/** What a packet is made of, but for its timestamp. */
export interface PackingOptions {
  readonly place: Place;
  readonly type: MessageType;
  readonly message: Uint8Array;
  readonly signer: Identity;
  /** The wall clock, ms; may throw. */
  readonly wallNow: () => number;
}

/**
 * One message as signed packets. The wall clock is looked at once for each of them: a clock that fails later on makes
 * no failure of what was delivered.
 */
export class Packing {
  readonly #options: PackingOptions;
  #wall: { readonly at: number; readonly time: number };

  /** @throws what the clock throws */
  constructor(options: PackingOptions) {
    this.#options = options;
    this.#wall = this.#look();
  }

  /** Signs the message with the time that it is. */
  async pack(): Promise<Uint8Array> {
    const { place, type, message, signer } = this.#options;
    const timestamp = Math.floor(this.#wall.time / 1000);
    return await AppPacket.pack({ ...place, timestamp, type, message }, signer);
  }

  /** Signs it anew once its time is old; undefined before. */
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
