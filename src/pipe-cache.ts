import { BoundedMap } from "./bounded-map.js";
import type { SmartPipe } from "./smart-pipe.js";

interface Entry {
  readonly making: Promise<SmartPipe>;
  /** The same, once it is there. */
  pipe: SmartPipe | undefined;
  usedAt: number;
}

/** How many pipes are kept. */
const MAX_PIPES = 1000;

/** The pipes that may be handed out again, one for each destination and kind. Times are monotonic milliseconds. */
export class PipeCache {
  readonly #entries = new BoundedMap<string, Entry>(MAX_PIPES);

  /** The destination's pipe, unless it was not used for `expiryMs`. */
  find(to: string, encrypted: boolean, expiryMs: number, now: number): Promise<SmartPipe> | undefined {
    const key = keyOf(to, encrypted);
    const entry = this.#entries.get(key);
    if (entry === undefined || now - entry.usedAt >= expiryMs) return undefined;
    entry.usedAt = now;
    this.#entries.set(key, entry);
    return entry.making;
  }

  /** Keeps a pipe that is being made; one that cannot be made is not kept. */
  keep(to: string, encrypted: boolean, making: Promise<SmartPipe>, now: number): void {
    const entry: Entry = { making, pipe: undefined, usedAt: now };
    const key = keyOf(to, encrypted);
    this.#entries.set(key, entry);
    making.then(
      (pipe) => {
        entry.pipe = pipe;
      },
      () => {
        if (this.#entries.get(key) === entry) this.#entries.delete(key);
      },
    );
  }

  /** Forgets a pipe, if it is the one that is kept. */
  evict(pipe: SmartPipe): void {
    const key = keyOf(pipe.to, pipe.encrypted);
    if (this.#entries.get(key)?.pipe === pipe) this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}

function keyOf(to: string, encrypted: boolean): string {
  return encrypted ? `sealed ${to}` : to;
}
