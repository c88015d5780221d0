/**
 * A token bucket for each name: so many a second, and some at once. Those that are full again are forgotten. When too
 * many are not, new names get nothing: whoever names ever more must not get rid of a bucket that is empty.
 */
export class Budgets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #most: number;
  /** Those that took something last stand last. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /**
   * @param perSecond - tokens
   * @param burst - tokens that a full bucket has
   * @param most - names at once
   */
  constructor(perSecond: number, burst: number, most: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#most = most;
  }

  /** How many names are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a token.
   * @param now - monotonic ms
   * @returns whether there was one
   */
  take(name: string, now: number): boolean {
    this.#forget(now);
    const { tokens, at } = this.#buckets.get(name) ?? { tokens: this.#burst, at: now };
    const left = Math.min(this.#burst, tokens + (Math.max(0, now - at) / 1000) * this.#perSecond) - 1;
    if (left < 0 || (!this.#buckets.has(name) && this.#buckets.size >= this.#most)) return false;
    this.#buckets.delete(name);
    this.#buckets.set(name, { tokens: left, at: now });
    return true;
  }

  #forget(now: number): void {
    const fullMs = (this.#burst / this.#perSecond) * 1000;
    for (const [name, { at }] of this.#buckets) {
      if (now - at < fullMs) return;
      this.#buckets.delete(name);
    }
  }
}
