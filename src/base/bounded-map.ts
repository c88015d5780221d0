/**
 * A map with at most `max` entries. `set` makes an entry the newest one; when the map is full, the oldest entry is
 * deleted.
 */
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
      // The cast is safe: the map has more than one entry here.
      super.delete(this.keys().next().value as K);
    }
    return this;
  }
}
