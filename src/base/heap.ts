interface Node<T> {
  readonly item: T;
  at: number;
  /** The node's position in the array of nodes. */
  index: number;
}

/**
 * Items in the order of a number, such as the time when each item is due. Reading the first number takes one step.
 * Adding, moving and removing an item take O(log n) steps.
 */
export class Heap<T> {
  /** A binary heap. The children of the node at index n are at 2 n + 1 and 2 n + 2, and their numbers are not lower. */
  readonly #nodes: Node<T>[] = [];
  readonly #byItem = new Map<T, Node<T>>();

  get size(): number {
    return this.#nodes.length;
  }

  /** The lowest number, or Infinity when there are no items. */
  get firstAt(): number {
    return this.#nodes[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Every item, in no particular order. */
  items(): IterableIterator<T> {
    return this.#byItem.keys();
  }

  /** Adds an item, or changes its number. */
  set(item: T, at: number): void {
    const known = this.#byItem.get(item);
    const node = known ?? { item, at, index: this.#nodes.length };
    if (known === undefined) {
      this.#byItem.set(item, node);
      this.#nodes.push(node);
    }
    node.at = at;
    this.#settle(node);
  }

  delete(item: T): void {
    const node = this.#byItem.get(item);
    if (node === undefined) return;
    this.#byItem.delete(item);
    const last = this.#nodes.pop();
    if (last === undefined || last === node) return;
    last.index = node.index;
    this.#settle(last);
  }

  /**
   * The items whose number is at most `at`, in no particular order. The number of steps is proportional to the number
   * of items found.
   */
  upTo(at: number): T[] {
    const found: T[] = [];
    const open = [0];
    for (let index = open.pop(); index !== undefined; index = open.pop()) {
      const node = this.#nodes[index];
      if (node === undefined || node.at > at) continue;
      found.push(node.item);
      open.push(2 * index + 1, 2 * index + 2);
    }
    return found;
  }

  /** Moves a node up or down to its right place. */
  #settle(node: Node<T>): void {
    const nodes = this.#nodes;
    let { index } = node;
    let parent = nodes[(index - 1) >> 1];
    while (index > 0 && parent !== undefined && parent.at > node.at) {
      const above = parent.index;
      this.#put(parent, index);
      index = above;
      parent = nodes[(index - 1) >> 1];
    }
    let child = this.#earlierChild(index);
    while (child !== undefined && child.at < node.at) {
      const below = child.index;
      this.#put(child, index);
      index = below;
      child = this.#earlierChild(index);
    }
    this.#put(node, index);
  }

  #put(node: Node<T>, index: number): void {
    node.index = index;
    this.#nodes[index] = node;
  }

  #earlierChild(index: number): Node<T> | undefined {
    const left = this.#nodes[2 * index + 1];
    const right = this.#nodes[2 * index + 2];
    return left && right && right.at < left.at ? right : left;
  }
}
