import { BoundedMap } from "./bounded-map.js";

/** A bounded map in two tiers: whatever strangers put in pushes out nothing of what is known. */
export class TieredMap<K, V> {
  readonly #known: BoundedMap<K, V>;
  readonly #others: BoundedMap<K, V>;

  /** @param max - entries of each tier */
  constructor(max: number) {
    this.#known = new BoundedMap(max);
    this.#others = new BoundedMap(max);
  }

  get(key: K): V | undefined {
    return this.#known.get(key) ?? this.#others.get(key);
  }

  /** Whether it is in the tier that strangers cannot fill. */
  isKnown(key: K): boolean {
    return this.#known.has(key);
  }

  /** Makes an entry the newest of a tier. One that is known stays so. */
  set(key: K, value: V, isKnown: boolean): void {
    if (!isKnown && !this.#known.has(key)) {
      this.#others.set(key, value);
      return;
    }
    this.#others.delete(key);
    this.#known.set(key, value);
  }

  delete(key: K): void {
    this.#known.delete(key);
    this.#others.delete(key);
  }

  clear(): void {
    this.#known.clear();
    this.#others.clear();
  }
}
