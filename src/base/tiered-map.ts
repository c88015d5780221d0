import { BoundedMap } from "./bounded-map.js";

/** A bounded map in two tiers. Entries of strangers never push out entries of known peers. */
export class TieredMap<K, V> {
  readonly #max: number;
  /** The tiers are created when they are needed: an address without traffic then needs no memory for them. */
  #known: BoundedMap<K, V> | undefined;
  #others: BoundedMap<K, V> | undefined;

  /** @param max - the maximum number of entries in each tier */
  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    return this.#known?.get(key) ?? this.#others?.get(key);
  }

  /** Whether the key is in the tier that strangers cannot fill. */
  isKnown(key: K): boolean {
    return this.#known?.has(key) === true;
  }

  /** Makes an entry the newest one of its tier. An entry in the tier of known peers stays in that tier. */
  set(key: K, value: V, isKnown: boolean): void {
    if (!isKnown && !this.isKnown(key)) {
      this.#others ??= new BoundedMap(this.#max);
      this.#others.set(key, value);
      return;
    }
    this.#others?.delete(key);
    this.#known ??= new BoundedMap(this.#max);
    this.#known.set(key, value);
  }

  delete(key: K): void {
    this.#known?.delete(key);
    this.#others?.delete(key);
  }

  clear(): void {
    this.#known = undefined;
    this.#others = undefined;
  }
}
