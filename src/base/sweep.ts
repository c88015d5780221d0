/** Entries at each call: a tenth of a millisecond to look at them, half of one to delete them all. */
const SOME = 1024;

/**
 * Goes round a map, some entries at a time: whoever looks after a big one does not hold up anything else.
 * The owner may add and delete meanwhile; what is added has its turn in the same round.
 */
export class Sweep<K, V> {
  readonly #map: ReadonlyMap<K, V>;
  #rest: Iterator<[K, V]>;

  constructor(map: ReadonlyMap<K, V>) {
    this.#map = map;
    this.#rest = map.entries();
  }

  /** The next ones, as far as the end of the round; the call after that begins another. */
  *some(): Generator<[K, V], void> {
    for (let i = 0; i < SOME; i++) {
      const { value, done } = this.#rest.next();
      if (done) {
        this.#rest = this.#map.entries();
        return;
      }
      yield value;
    }
  }
}
