import { onAbort, throwIfAborted } from "./abort.js";
import { startTimer } from "./timer.js";

/** Begins an attempt. When the signal fires, the attempt gives up and releases what it holds. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

export interface StaggeredOptions<T> {
  /** How long an attempt may take until the next one begins beside it, in ms. */
  readonly delayMs: number;
  readonly signal: AbortSignal;
  /** Releases the result of an attempt that succeeds after another attempt has won. */
  readonly discard?: (value: T) => void;
  /** Whether the pause between two attempts keeps the process alive (Node). Default: true. */
  readonly isReferenced?: boolean;
}

/**
 * The result of the first attempt that succeeds. The attempts begin one after the other: the next attempt begins when
 * one has failed, or when the latest one has run for `delayMs`. When one attempt succeeds, the others are aborted.
 *
 * @throws `AggregateError` with the error of every attempt, in the order of the attempts; AbortError
 */
export async function staggered<T>(
  attempts: readonly Attempt<T>[],
  { delayMs, signal, discard, isReferenced }: StaggeredOptions<T>,
): Promise<T> {
  throwIfAborted(signal);
  return await new Promise<T>((resolve, reject) => {
    const others = new AbortController();
    const errors: unknown[] = [];
    let begun = 0;
    let pending = 0;
    let isOver = false;
    let stopTimer = (): void => {};
    const settle = (finish: () => void): void => {
      isOver = true;
      stopTimer();
      stopListening();
      finish();
      // Only when needed: making the error of an abort takes time.
      if (pending > 0) others.abort("another attempt has won");
    };
    const beginNext = (): void => {
      stopTimer();
      const turn = begun;
      const attempt = attempts[turn];
      if (attempt === undefined) {
        if (pending === 0) settle(() => reject(new AggregateError(errors, "every attempt failed")));
        return;
      }
      begun++;
      pending++;
      attempt(others.signal).then(
        (value) => {
          pending--;
          if (isOver) discard?.(value);
          else settle(() => resolve(value));
        },
        (error: unknown) => {
          pending--;
          errors[turn] = error;
          if (!isOver) beginNext();
        },
      );
      if (begun < attempts.length) stopTimer = startTimer(delayMs, beginNext, isReferenced);
    };
    const stopListening = onAbort(signal, (error) => settle(() => reject(error)));
    beginNext();
  });
}
