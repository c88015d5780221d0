import { startTimer } from "./timer.js";

/**
 * One timer for many deadlines. `set` with an earlier time moves the timer forward; `set` with a later time does
 * nothing. When the timer fires, the owner handles what is due and returns the next time. So adding and removing
 * deadlines costs almost nothing.
 *
 * All times are {@link monotonicNow} milliseconds.
 */
export class Alarm {
  readonly #ring: (now: number) => number;
  #at = NEVER;
  #stop: (() => void) | undefined;

  /** @param ring - called when the time has come; returns the next time, or {@link NEVER} */
  constructor(ring: (now: number) => number) {
    this.#ring = ring;
  }

  /** Makes the alarm ring at this time or earlier. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.#stop?.();
    this.#at = at;
    // setTimeout counts whole milliseconds, and treats a delay above 2^31 - 1 as no delay.
    const delay = Math.min(Math.max(Math.ceil(at - monotonicNow()), 0), MAX_DELAY_MS);
    this.#stop = startTimer(delay, () => this.#fire());
  }

  /** Forgets the time. A later `set` starts the alarm again. */
  clear(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#at = NEVER;
  }

  #fire(): void {
    this.clear();
    this.set(this.#ring(monotonicNow()));
  }
}

const MAX_DELAY_MS = 2 ** 31 - 1;

/** A time that never comes: {@link Alarm} does not ring then. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/** A promise that resolves after `ms` milliseconds, and a function that stops its timer. */
export function timer(ms: number): { readonly over: Promise<undefined>; readonly stop: () => void } {
  let stop = (): void => {};
  const over = new Promise<undefined>((resolve) => {
    stop = startTimer(ms, () => resolve(undefined));
  });
  return { over, stop };
}

/** The result of `work`, or undefined when the work takes longer than `ms` milliseconds. */
export function atMost<T>(ms: number, work: T | Promise<T>): Promise<T | undefined> {
  const { over, stop } = timer(ms);
  return Promise.race([work, over]).finally(stop);
}

/**
 * Milliseconds on a clock that nobody can set. Every pace and timeout uses this clock. Only the check of a message's
 * age uses the wall clock.
 */
export function monotonicNow(): number {
  return performance.now();
}
