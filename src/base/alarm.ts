import { startTimer } from "./timer.js";

/**
 * One timer for many deadlines. Setting an earlier time moves it forward,
 * a later one leaves it alone: when it rings, the owner looks what is due and
 * returns the next time, so that adding and removing deadlines costs nothing.
 *
 * Times are {@link monotonicNow} milliseconds.
 */
export class Alarm {
  readonly #ring: (now: number) => number;
  #at = NEVER;
  #stop: (() => void) | undefined;

  /** @param ring - called when a time has come; returns the next one, or {@link NEVER}. */
  constructor(ring: (now: number) => number) {
    this.#ring = ring;
  }

  /** Ring at this time or earlier. */
  set(at: number): void {
    if (at >= this.#at) return;
    this.#stop?.();
    this.#at = at;
    // setTimeout counts whole milliseconds and treats more than 2^31 - 1 of them as none.
    const delay = Math.min(Math.max(Math.ceil(at - monotonicNow()), 0), MAX_DELAY_MS);
    this.#stop = startTimer(delay, () => this.#fire());
  }

  /** Forget the time; a later `set` starts it again. */
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

/** No time at all: {@link Alarm} does not ring then. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/** A promise of so many milliseconds, and what stops its timer. */
export function timer(ms: number): { readonly over: Promise<undefined>; readonly stop: () => void } {
  let stop = (): void => {};
  const over = new Promise<undefined>((resolve) => {
    stop = startTimer(ms, () => resolve(undefined));
  });
  return { over, stop };
}

/** What some work comes to, or nothing if it takes longer than so many milliseconds. */
export function atMost<T>(ms: number, work: T | Promise<T>): Promise<T | undefined> {
  const { over, stop } = timer(ms);
  return Promise.race([work, over]).finally(stop);
}

/** Milliseconds on a clock that nobody sets: for every pace and timeout. Freshness alone uses the wall clock. */
export function monotonicNow(): number {
  return performance.now();
}
