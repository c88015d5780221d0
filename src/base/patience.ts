import { Alarm, monotonicNow, NEVER } from "./alarm.js";

interface Waiting {
  readonly until: number;
  readonly giveUp: () => void;
}

/**
 * How long the application's functions are waited for that may hang: a verifier, a key in somebody else's hands. One
 * timer for all that goes on, and none once nothing does.
 */
export class Patience {
  readonly #ms: number;
  /** The one that began first comes first. */
  readonly #waiting = new Set<Waiting>();
  readonly #alarm: Alarm = new Alarm((now) => this.#giveUp(now));

  /** @param ms - for each of them */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /**
   * What some work comes to.
   * @returns undefined when it takes too long; never settles once nobody waits any more
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

  /** The error for what took too long. */
  error(): Error {
    return new Error(`no answer within ${this.#ms} ms`);
  }

  /** Nobody waits for anything any more. */
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
