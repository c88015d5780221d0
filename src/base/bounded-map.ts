/** A map of at most so many entries: each `set` makes an entry the newest, and the oldest one gives way. */
export class BoundedMap<K, V> extends Map<K, V> {
  readonly #max: number;

  constructor(max: number) {
    super();
    this.#max = max;
  }

  override set(key: K, value: V): this {
    super.delete(key);
    super.set(key, value);
    if (this.size > this.#max) {
      // The first key is a K: there is more than one entry.
      super.delete(this.keys().next().value as K);
    }
    return this;
  }
}
