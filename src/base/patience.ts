import { Alarm, monotonicNow, NEVER } from "./alarm.js";

interface Waiting {
  readonly until: number;
  readonly giveUp: () => void;
}

/**
 * Limits how long the library waits for functions of the application that may hang: a verifier, or a key in an agent or
 * a token. All waits share one timer, and without waits there is no timer.
 */
export class Patience {
  readonly #ms: number;
  /** In the order in which the waits began, so the first entry ends first. */
  readonly #waiting = new Set<Waiting>();
  readonly #alarm: Alarm = new Alarm((now) => this.#giveUp(now));

  /** @param ms - the limit of each wait */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /**
   * Waits for the result of some work.
   * @returns the value; undefined when the work takes too long. After {@link close} the promise may never settle.
   */
  async wait<T>(work: PromiseLike<T>): Promise<{ readonly value: T } | undefined> {
    let waiting: Waiting | undefined;
    const tooLate = new Promise<undefined>((resolve) => {
      waiting = { until: monotonicNow() + this.#ms, giveUp: () => resolve(undefined) };
      this.#waiting.add(waiting);
      this.#alarm.set(waiting.until);
    });
    try {
      return await Promise.race([Promise.resolve(work).then((value) => ({ value })), tooLate]);
    } finally {
      if (waiting) this.#waiting.delete(waiting);
      if (this.#waiting.size === 0) this.#alarm.clear();
    }
  }

  /** The error for work that took too long. */
  error(): Error {
    return new Error(`no answer within ${this.#ms} ms`);
  }

  /** Ends all waits without an answer. */
  close(): void {
    this.#waiting.clear();
    this.#alarm.clear();
  }

  #giveUp(now: number): number {
    for (const waiting of this.#waiting) {
      if (waiting.until > now) return waiting.until;
      this.#waiting.delete(waiting);
      waiting.giveUp();
    }
    return NEVER;
  }
}
