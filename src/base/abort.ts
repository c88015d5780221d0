import { AbortError } from "./errors.js";

/** @throws AbortError when the signal has already fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason);
}

/**
 * Calls `listener` with an {@link AbortError} when the signal fires; returns
 * the function that takes the listener off again.
 */
export function onAbort(signal: AbortSignal | undefined, listener: (error: AbortError) => void): () => void {
  if (!signal) return () => {};
  const fire = (): void => listener(new AbortError(signal.reason));
  signal.addEventListener("abort", fire, { once: true });
  return () => signal.removeEventListener("abort", fire);
}

/**
 * The promise, or a rejection as soon as the signal fires, whichever is first.
 * It stops the waiting, not the work.
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  // Also where nobody waits for it any more.
  promise.catch(() => {});
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
