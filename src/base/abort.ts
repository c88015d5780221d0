import { AbortError } from "./errors.js";

/** @throws {@link AbortError} when the signal has already fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

/**
 * Calls `listener` with an {@link AbortError} when the signal fires. Returns a function that removes the listener.
 *
 * This module adds at most one listener to a signal, however many operations share the signal. A thousand sends under
 * one signal are legitimate, but Node warns of a leak from the eleventh listener on.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (error: AbortError) => void): () => void {
  if (!signal) return () => {};
  const watch = watches.get(signal) ?? new Watch(signal);
  watches.set(signal, watch);
  return watch.add(() => listener(new AbortError(signal.reason)));
}

/** The map is shared state, but it shares nothing between callers: the key is the caller's own signal. */
const watches = new WeakMap<AbortSignal, Watch>();

/** All functions that wait for one signal. */
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

/** Settles as the promise does, or rejects as soon as the signal fires. An abort ends the waiting, not the work. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  // Without this handler, a rejection after an abort would be an unhandled one: nobody waits for the promise any more.
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
