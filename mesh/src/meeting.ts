/** Peers up to which a start meets all at once over the brokers. */
export const MEET_ALL = 32;
/** Of more, those that a start meets first: the rest is learned from them, if they know it. */
export const MEET_FIRST = 8;
/** The others are met over the brokers after this, ms, if no path leads to them yet … */
export const LEARN_MS = 30_000;
/** … one after the other, all of them within so long after the start, ms. */
export const MEET_WITHIN_MS = 300_000;

/**
 * Whom a start meets over the brokers, and when: in a large mesh a few at first, routers and admins before others.
 * Whoever was told of in vain is met in its turn, so that nobody is forgotten. Times are monotonic ms.
 */
export class Meeting {
  readonly #random: () => number;
  /** When each peer's turn comes. */
  readonly #opensAt = new Map<string, number>();
  /** Those whose turn was not there yet when they were to be told something. */
  readonly #waiting = new Set<string>();

  /** @param random - from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * The peers of this host, before any of the new ones is told something. A few that come later are met at once.
   * @param knows - whether one is likely to know others: a router, an admin
   */
  set(peers: readonly string[], knows: (name: string) => boolean, now: number): void {
    const there = new Set(peers);
    for (const name of this.#opensAt.keys()) {
      if (there.has(name)) continue;
      this.#opensAt.delete(name);
      this.#waiting.delete(name);
    }
    const added = peers.filter((name) => !this.#opensAt.has(name));
    const first = peers.length > MEET_ALL ? MEET_FIRST : added.length;
    const gap = (MEET_WITHIN_MS - LEARN_MS) / Math.max(1, added.length - first);
    const ranked = added
      .map((name) => ({ name, rank: (knows(name) ? 0 : 1) + this.#random() }))
      .sort((a, b) => a.rank - b.rank);
    for (const [i, { name }] of ranked.entries())
      this.#opensAt.set(name, i < first ? now : now + LEARN_MS + (i - first + 1) * gap);
  }

  /** Whether a peer may be told something over the brokers. If not, its turn is told by {@link due}. */
  may(name: string, now: number): boolean {
    if (now >= (this.#opensAt.get(name) ?? now)) return true;
    this.#waiting.add(name);
    return false;
  }

  /** A peer has spoken itself: there is nothing to wait for. */
  heard(name: string): void {
    this.#opensAt.set(name, Number.NEGATIVE_INFINITY);
  }

  /** Somebody waits for its turn. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** Those that were to be told something, and whose turn has come. */
  due(now: number): string[] {
    const names = [...this.#waiting].filter((name) => now >= (this.#opensAt.get(name) ?? now));
    for (const name of names) this.#waiting.delete(name);
    return names;
  }
}
