import type { Candidate } from "../candidates/candidate.js";
import { Budgets } from "../probe/budgets.js";
import { INTRODUCED } from "./constants.js";

/** One peer has said where another one is. */
export interface Introduction {
  readonly by: string;
  readonly subject: string;
}

/**
 * Which places of others are tried because a peer has named them: no more than one peer may have this host probe. The rest
 * waits until there is room, so that nobody has to say it again. It does nothing itself; times are monotonic ms.
 */
export class Introductions {
  readonly #budgets = new Budgets(INTRODUCED.perSecond, INTRODUCED.burst, Number.POSITIVE_INFINITY);
  /** By who named them: whose places wait, and how many of them were tried. */
  readonly #waiting = new Map<string, Map<string, number>>();

  /** Those that wait, the first ones first. */
  waiting(): Introduction[] {
    return [...this.#waiting].flatMap(([by, subjects]) =>
      Array.from(subjects.keys(), (subject) => ({ by, subject })),
    );
  }

  /**
   * A peer names places of another one, in place of those that it named before.
   * @returns those that are tried now
   */
  begin({ by, subject }: Introduction, places: readonly Candidate[], now: number): Candidate[] {
    return this.#take({ by, subject }, places, 0, now);
  }

  /** Goes on with one that waits. @returns those that are tried now */
  resume({ by, subject }: Introduction, places: readonly Candidate[], now: number): Candidate[] {
    const tried = this.#waiting.get(by)?.get(subject);
    return tried === undefined ? [] : this.#take({ by, subject }, places, tried, now);
  }

  /** It is of no use any more. */
  drop({ by, subject }: Introduction): void {
    const subjects = this.#waiting.get(by);
    subjects?.delete(subject);
    if (subjects?.size === 0) this.#waiting.delete(by);
  }

  /** A peer that is none any more. */
  forget(name: string): void {
    this.#waiting.delete(name);
    for (const by of [...this.#waiting.keys()]) this.drop({ by, subject: name });
  }

  #take(
    { by, subject }: Introduction,
    places: readonly Candidate[],
    tried: number,
    now: number,
  ): Candidate[] {
    let end = tried;
    while (end < places.length && this.#budgets.take(by, now)) end++;
    if (end >= places.length) this.drop({ by, subject });
    else {
      const subjects = this.#waiting.get(by) ?? new Map<string, number>();
      this.#waiting.set(by, subjects.set(subject, end));
    }
    return places.slice(tried, end);
  }
}
