import { onAbort, throwIfAborted } from "./abort.js";
import { startTimer } from "./timer.js";

/** Begins something; gives up and lets go of what it holds when the signal fires. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

export interface StaggeredOptions<T> {
  /** After how long without an outcome the next attempt begins too, ms. */
  readonly delayMs: number;
  readonly signal: AbortSignal;
  /** Lets go of what an attempt comes to after another has won. */
  readonly discard?: (value: T) => void;
  /** Whether the pause between two attempts keeps the process alive (Node). Default: true. */
  readonly isReferenced?: boolean;
}

/**
 * What the first of several attempts to succeed comes to. They begin one after the other: the next when one has
 * failed, or when the one before has taken some time. The others are given up then.
 *
 * @throws `AggregateError` with every attempt's error in the order of the attempts; AbortError
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
      // What an abort comes with takes a while to make.
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
