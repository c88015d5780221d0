import type { Candidate } from "../candidates/candidate.js";
import { Budgets } from "../probe/budgets.js";
import { INTRODUCED } from "./constants.js";

/** One peer (`by`) has named candidates of another peer (`subject`). */
export interface Introduction {
  readonly by: string;
  readonly subject: string;
}

/**
 * Chooses the candidates to try among the candidates that peers name for other peers. A peer may have this host probe a
 * limited number of candidates. The other candidates wait until the limit allows them, so that the peer need not repeat
 * them. This class has no effects of its own. Times are monotonic ms.
 */
export class Introductions {
  readonly #budgets = new Budgets(INTRODUCED.perSecond, INTRODUCED.burst, Number.POSITIVE_INFINITY);
  /** By the peer that named them: the peers whose candidates wait, and the number of candidates tried of each. */
  readonly #waiting = new Map<string, Map<string, number>>();

  /** The introductions that wait, the oldest of each naming peer first. */
  waiting(): Introduction[] {
    return [...this.#waiting].flatMap(([by, subjects]) =>
      Array.from(subjects.keys(), (subject) => ({ by, subject })),
    );
  }

  /**
   * Must be called when a peer names candidates of another peer. The new candidates replace those
   * that this peer named before for the other peer.
   * @returns the candidates to try now
   */
  begin({ by, subject }: Introduction, places: readonly Candidate[], now: number): Candidate[] {
    return this.#take({ by, subject }, places, 0, now);
  }

  /**
   * Continues with an introduction that waits.
   * @returns the candidates to try now
   */
  resume({ by, subject }: Introduction, places: readonly Candidate[], now: number): Candidate[] {
    const tried = this.#waiting.get(by)?.get(subject);
    return tried === undefined ? [] : this.#take({ by, subject }, places, tried, now);
  }

  /** Must be called when an introduction is not needed any more. */
  drop({ by, subject }: Introduction): void {
    const subjects = this.#waiting.get(by);
    subjects?.delete(subject);
    if (subjects?.size === 0) this.#waiting.delete(by);
  }

  /** Must be called when a peer was removed. */
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
