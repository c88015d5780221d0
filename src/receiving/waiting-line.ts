/** The maximum number of items in a line, and the maximum for one source. */
const MAX_WAITING = 1024;
const MAX_WAITING_OF_SOURCE = 256;

interface Source<T> {
  readonly name: string;
  readonly items: T[];
  /** Whether too many of its items have come since none of them waited. */
  isCrowded: boolean;
}

/**
 * Waiting items by source. The sources take turns; the items of a source keep their order.
 *
 * When there are too many items, the oldest one is dropped. Such a line or source is crowded: the newest item is then
 * served first, until nothing is left. So an item in a crowd is served soon or never. The alternative would be worse:
 * every item would wait at the end of a line that stays full. The rule holds for the items of a source, and for the
 * sources of the line.
 */
export class WaitingLine<T> {
  readonly #sources = new Map<string, Source<T>>();
  /** The sources in the order of their turns. */
  readonly #turns: Source<T>[] = [];
  readonly #crowd: number;
  #isCrowded = false;
  #count = 0;

  /** @param crowd - the number of items of a source that make it crowded */
  constructor(crowd: number = MAX_WAITING_OF_SOURCE) {
    this.#crowd = crowd;
  }

  /** The number of waiting items. */
  get count(): number {
    return this.#count;
  }

  /** Finds a waiting item of a source. The found item counts as having come now. */
  renew(name: string, isIt: (item: T) => boolean): T | undefined {
    const { items = [], isCrowded = false } = this.#sources.get(name) ?? {};
    const at = items.findIndex(isIt);
    const item = items[at];
    if (item !== undefined && isCrowded) items.push(...items.splice(at, 1));
    return item;
  }

  /** @returns the item that was dropped to make room, if any */
  add(name: string, item: T): T | undefined {
    let source = this.#sources.get(name);
    if (source === undefined) {
      source = { name, items: [], isCrowded: false };
      this.#sources.set(name, source);
      this.#turns.push(source);
    }
    source.items.push(item);
    this.#count++;
    if (source.items.length > this.#crowd) source.isCrowded = true;
    if (source.items.length > MAX_WAITING_OF_SOURCE) return this.#oldestOf(source);
    if (this.#count <= MAX_WAITING) return undefined;
    this.#isCrowded = true;
    // The source whose turn would be the last one.
    const [last] = this.#turns;
    return last && this.#oldestOf(last);
  }

  take(): T | undefined {
    const source = this.#isCrowded ? this.#turns.pop() : this.#turns.shift();
    if (source === undefined) return undefined;
    const item = source.isCrowded ? source.items.pop() : source.items.shift();
    this.#count--;
    if (source.items.length === 0) this.#sources.delete(source.name);
    else if (this.#isCrowded) this.#turns.unshift(source);
    else this.#turns.push(source);
    if (this.#count === 0) this.#isCrowded = false;
    return item;
  }

  clear(): void {
    this.#sources.clear();
    this.#turns.length = 0;
    this.#count = 0;
    this.#isCrowded = false;
  }

  #oldestOf(source: Source<T>): T | undefined {
    const item = source.items.shift();
    this.#count--;
    if (source.items.length === 0) {
      this.#sources.delete(source.name);
      this.#turns.splice(this.#turns.indexOf(source), 1);
    }
    return item;
  }
}
