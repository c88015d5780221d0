import { ASK_TURN_MS, MAX_ASKED } from "./constants.js";

/**
 * Whom this host asks what they know of others: some at a time, in turn. Those that know most stay as long as somebody
 * is sought, up to half of them. Times are monotonic ms.
 */
export class Asking {
  /** When each was asked last; those that were never asked are not in it. */
  readonly #askedAt = new Map<string, number>();
  #asked: ReadonlySet<string> = new Set();
  #turnAt = 0;

  /**
   * @param reached - peers that a path leads to
   * @param knows - whether one is likely to know most: a router, an admin
   * @param isSeeking - whether there are peers that no path leads to
   * @returns whom to ask now: the same set as before while nothing changes
   */
  choose(
    reached: readonly string[],
    knows: (name: string) => boolean,
    isSeeking: boolean,
    now: number,
  ): ReadonlySet<string> {
    const there = new Set(reached);
    for (const name of this.#askedAt.keys()) if (!there.has(name)) this.#askedAt.delete(name);
    const left = [...this.#asked].filter((name) => there.has(name));
    const isTurn = now >= this.#turnAt;
    if (!isSeeking) this.#take([], now);
    else if (isTurn || left.length < Math.min(MAX_ASKED, there.size)) {
      const inTurn = reached.toSorted((a, b) => this.#lastOf(a) - this.#lastOf(b));
      const first = inTurn.filter(knows).slice(0, MAX_ASKED / 2);
      this.#take([...new Set([...(isTurn ? [] : left), ...first, ...inTurn])].slice(0, MAX_ASKED), now);
      if (isTurn) this.#turnAt = now + ASK_TURN_MS;
    }
    return this.#asked;
  }

  #take(names: readonly string[], now: number): void {
    for (const name of names) this.#askedAt.set(name, now);
    const isSame = names.length === this.#asked.size && names.every((name) => this.#asked.has(name));
    if (!isSame) this.#asked = new Set(names);
  }

  #lastOf(name: string): number {
    return this.#askedAt.get(name) ?? -1;
  }
}
