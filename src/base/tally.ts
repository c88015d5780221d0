/** A sum for each key; what comes to nothing is not kept. */
export class Tally<K> {
  readonly #sums = new Map<K, number>();

  /** What there is of a key. */
  of(key: K): number {
    return this.#sums.get(key) ?? 0;
  }

  /** @param amount - what comes to it; negative for what goes */
  add(key: K, amount: number): void {
    const sum = this.of(key) + amount;
    if (sum === 0) this.#sums.delete(key);
    else this.#sums.set(key, sum);
  }
}
