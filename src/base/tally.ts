/** A sum for each key. A sum of zero takes no memory. */
export class Tally<K> {
  readonly #sums = new Map<K, number>();

  /** The sum of a key; 0 for an unknown key. */
  of(key: K): number {
    return this.#sums.get(key) ?? 0;
  }

  /** @param amount - what is added to the sum; negative to subtract */
  add(key: K, amount: number): void {
    const sum = this.of(key) + amount;
    if (sum === 0) this.#sums.delete(key);
    else this.#sums.set(key, sum);
  }
}
