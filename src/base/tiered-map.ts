import { BoundedMap } from "./bounded-map.js";

/** A bounded map in two tiers: whatever strangers put in pushes out nothing of what is known. */
export class TieredMap<K, V> {
  readonly #max: number;
  /** Not before there is something in it: an address that is silent for a day needs no tables. */
  #known: BoundedMap<K, V> | undefined;
  #others: BoundedMap<K, V> | undefined;

  /** @param max - entries of each tier */
  constructor(max: number) {
    this.#max = max;
  }

  get(key: K): V | undefined {
    return this.#known?.get(key) ?? this.#others?.get(key);
  }

  /** Whether it is in the tier that strangers cannot fill. */
  isKnown(key: K): boolean {
    return this.#known?.has(key) === true;
  }

  /** Makes an entry the newest of a tier. One that is known stays so. */
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
