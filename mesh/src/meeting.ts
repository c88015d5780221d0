/** With up to this number of peers, a start meets all of them over the brokers at once. */
export const MEET_ALL = 32;
/** With more peers, a start meets this number of them first. They may know where the others are. */
export const MEET_FIRST = 8;
/** The other peers are met over the brokers after this time, in ms, if no path leads to them by then … */
export const LEARN_MS = 30_000;
/** … one after the other, all of them within this time after the start, in ms. */
export const MEET_WITHIN_MS = 300_000;

/**
 * Decides whom a start meets over the brokers, and when. In a large mesh a few peers are met first, routers and admins
 * before others. A peer that could not be reached in another way is met in its turn, so no peer is forgotten. All times
 * are monotonic ms.
 */
export class Meeting {
  readonly #random: () => number;
  /** The time of each peer's turn. */
  readonly #opensAt = new Map<string, number>();
  /** The peers with a message to send whose turn has not come yet. */
  readonly #waiting = new Set<string>();

  /** @param random - returns a number from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Sets the peers of this host. Must be called before a new peer is told something. A few peers that come later are
   * met at once.
   * @param knows - whether a peer probably knows others: a router or an admin
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

  /**
   * Whether a peer may be told something over the brokers now. If not, {@link due} returns the peer when its turn has
   * come.
   */
  may(name: string, now: number): boolean {
    if (now >= (this.#opensAt.get(name) ?? now)) return true;
    this.#waiting.add(name);
    return false;
  }

  /** Must be called when a peer has spoken itself. Such a peer need not wait for its turn. */
  heard(name: string): void {
    this.#opensAt.set(name, Number.NEGATIVE_INFINITY);
  }

  /** Whether any peer waits for its turn. */
  get isAwaited(): boolean {
    return this.#waiting.size > 0;
  }

  /** The waiting peers whose turn has come. */
  due(now: number): string[] {
    const names = [...this.#waiting].filter((name) => now >= (this.#opensAt.get(name) ?? now));
    for (const name of names) this.#waiting.delete(name);
    return names;
  }
}
