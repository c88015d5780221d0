import { TieredMap } from "../base/tiered-map.js";
import type { SmartPipe } from "./smart-pipe.js";

interface Entry {
  readonly making: Promise<SmartPipe>;
  usedAt: number;
}

/** How many pipes are kept to peers that the application sought, and to those that were answered. */
const MAX_PIPES = 1000;

/** The pipes that may be handed out again, one for each destination and kind. Times are monotonic milliseconds. */
export class PipeCache {
  readonly #entries = new TieredMap<string, Entry>(MAX_PIPES);

  /**
   * The destination's pipe. One that was not used for `expiryMs` is made anew; those who ask while it is
   * being made share it. One that cannot be made is not kept.
   * @param isSought - whether the application wants to talk to it, rather than answer it
   */
  take(
    to: string,
    encrypted: boolean,
    expiryMs: number,
    now: number,
    make: () => Promise<SmartPipe>,
    isSought: boolean,
  ): Promise<SmartPipe> {
    const key = to + encrypted;
    let entry = this.#entries.get(key);
    if (!entry || now - entry.usedAt >= expiryMs) {
      entry = { making: make(), usedAt: now };
      const made = entry;
      // Unless another one has taken its place.
      const evict = (): void => {
        if (this.#entries.get(key) === made) this.#entries.delete(key);
      };
      made.making.then((pipe) => {
        pipe.onClosed = evict;
      }, evict);
    }
    entry.usedAt = now;
    this.#entries.set(key, entry, isSought);
    return entry.making;
  }

  clear(): void {
    this.#entries.clear();
  }
}
