import { AbortError } from "./errors.js";

/** @throws AbortError when the signal has already fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

/**
 * Calls `listener` with an {@link AbortError} when the signal fires; returns
 * the function that takes the listener off again.
 *
 * A signal has one listener of ours at most, whatever is done under it: a thousand sends under one signal are
 * meant, and Node takes more than ten listeners for a leak.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (error: AbortError) => void): () => void {
  if (!signal) return () => {};
  const watch = watches.get(signal) ?? new Watch(signal);
  watches.set(signal, watch);
  return watch.add(() => listener(new AbortError(signal.reason)));
}

/** Nothing is shared by it: who waits is found by the signal, which is the caller's. */
const watches = new WeakMap<AbortSignal, Watch>();

/** Everybody who waits for one signal. */
class Watch {
  readonly #signal: AbortSignal;
  readonly #waiting = new Set<() => void>();

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  add(fire: () => void): () => void {
    if (this.#waiting.size === 0) this.#signal.addEventListener("abort", this.#fire);
    this.#waiting.add(fire);
    return () => {
      if (this.#waiting.delete(fire) && this.#waiting.size === 0)
        this.#signal.removeEventListener("abort", this.#fire);
    };
  }

  readonly #fire = (): void => {
    this.#signal.removeEventListener("abort", this.#fire);
    const waiting = [...this.#waiting];
    for (const fire of waiting) if (this.#waiting.delete(fire)) fire();
  };
}

/**
 * The promise, or a rejection as soon as the signal fires, whichever is first.
 * It stops the waiting, not the work.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  // Also where nobody waits for it any more.
  promise.catch(() => {});
  if (signal === undefined) return await promise;
  throwIfAborted(signal);
  let stop: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = onAbort(signal, reject);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stop?.();
  }
}
