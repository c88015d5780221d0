/**
 * A token bucket for each name. Full buckets are forgotten. When there are too many others, new names get no token:
 * otherwise a stranger could remove an empty bucket by using more and more names.
 */
export class Budgets {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #most: number;
  /** The bucket that was used last is at the end. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  /**
   * @param perSecond - tokens per second
   * @param burst - tokens in a full bucket
   * @param most - the maximum number of names
   */
  constructor(perSecond: number, burst: number, most: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#most = most;
  }

  /** The number of remembered names. */
  get size(): number {
    return this.#buckets.size;
  }

  /**
   * Takes a token.
   * @param now - monotonic ms
   * @returns whether there was a token
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
