/** How many may wait in a line, and of one source. */
const MAX_WAITING = 1024;
const MAX_WAITING_OF_SOURCE = 256;

interface Source<T> {
  readonly name: string;
  readonly items: T[];
  /** Whether too much of it has come since nothing of it waited. */
  isCrowded: boolean;
}

/**
 * What waits, by source: the sources take turns, each in the order in which its items came.
 *
 * Where more comes than there is room for, the oldest gives way. In such a crowd the newest is next, until nothing
 * is left: who is in it is served at once or not at all, rather than at the end of a line that stays full. That
 * holds for the items of a source, and for the sources of the line.
 */
export class WaitingLine<T> {
  readonly #sources = new Map<string, Source<T>>();
  /** The sources in the order of their turns. */
  readonly #turns: Source<T>[] = [];
  readonly #crowd: number;
  #isCrowded = false;
  #count = 0;

  /** @param crowd - how many items of a source are a crowd */
  constructor(crowd: number = MAX_WAITING_OF_SOURCE) {
    this.#crowd = crowd;
  }

  /** How many wait. */
  get count(): number {
    return this.#count;
  }

  /** An item of a source that waits and is what was asked for; it counts as having come now. */
  renew(name: string, isIt: (item: T) => boolean): T | undefined {
    const { items = [], isCrowded = false } = this.#sources.get(name) ?? {};
    const at = items.findIndex(isIt);
    const item = items[at];
    if (item !== undefined && isCrowded) items.push(...items.splice(at, 1));
    return item;
  }

  /** @returns what gives way, if there was no room */
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
    // Whose turn would be the last.
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
