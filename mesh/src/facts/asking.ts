import { ASK_TURN_MS, MAX_ASKED, REST_AFTER_MS, REST_TURN_MS } from "./constants.js";

/**
 * Decides which peers this host asks about other peers: a few at a time, in turn. While any peer is sought, the peers
 * that probably know most are always asked; they fill up to half of the places. When the same peers are sought for a
 * long time, they are probably switched off. Then only one peer is asked at a time. All times are monotonic ms.
 */
export class Asking {
  /** When each peer was last asked. Peers that were never asked are not in the map. */
  readonly #askedAt = new Map<string, number>();
  #asked: ReadonlySet<string> = new Set();
  #sought: ReadonlySet<string> = new Set();
  /** Since when the same peers are sought. */
  #soughtSince = 0;
  #turnAt = 0;

  /**
   * @param reached - the peers that a path leads to
   * @param knows - whether a peer probably knows most others: a router or an admin
   * @param sought - the peers that no path leads to
   * @returns the peers to ask now; the same set as before while nothing changes
   */
  choose(
    reached: readonly string[],
    knows: (name: string) => boolean,
    sought: readonly string[],
    now: number,
  ): ReadonlySet<string> {
    const there = new Set(reached);
    for (const name of this.#askedAt.keys()) if (!there.has(name)) this.#askedAt.delete(name);
    const left = [...this.#asked].filter((name) => there.has(name));
    this.#seek(sought, now);
    const isResting = now - this.#soughtSince >= REST_AFTER_MS;
    const places = isResting ? 1 : MAX_ASKED;
    const isTurn = now >= this.#turnAt;
    if (sought.length === 0) this.#take([], now);
    else if (isTurn || left.length < Math.min(places, there.size)) {
      const inTurn = reached.toSorted((a, b) => this.#lastOf(a) - this.#lastOf(b));
      const first = inTurn.filter(knows).slice(0, places / 2);
      this.#take([...new Set([...(isTurn ? [] : left), ...first, ...inTurn])].slice(0, places), now);
      if (isTurn) this.#turnAt = now + (isResting ? REST_TURN_MS : ASK_TURN_MS);
    }
    return this.#asked;
  }

  #seek(sought: readonly string[], now: number): void {
    if (sought.some((name) => !this.#sought.has(name))) {
      this.#soughtSince = now;
      // A peer that is lost after a rest must be sought at once.
      this.#turnAt = Math.min(this.#turnAt, now + ASK_TURN_MS);
    }
    this.#sought = new Set(sought);
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
