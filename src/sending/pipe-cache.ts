import { TieredMap } from "../base/tiered-map.js";
import type { SmartPipe } from "./smart-pipe.js";

interface Entry {
  readonly making: Promise<SmartPipe>;
  usedAt: number;
}

/** The number of pipes to peers that the application contacts itself, and the same number of pipes for replies. */
const MAX_PIPES = 1000;

/** The pipes that can be returned again, one for each destination and kind. All times are monotonic milliseconds. */
export class PipeCache {
  readonly #entries = new TieredMap<string, Entry>(MAX_PIPES);

  /**
   * Returns the destination's pipe. A pipe that was not used for `expiryMs` is replaced by a new one. Callers that ask
   * while the pipe is being made share it. A pipe that cannot be made is not kept.
   * @param isSought - whether the application contacts the destination itself, and does not only answer it
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
      // A newer entry with the same key must stay.
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
