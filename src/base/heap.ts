interface Node<T> {
  readonly item: T;
  at: number;
  /** Where it stands among the nodes. */
  index: number;
}

/**
 * Items in the order of a number each, such as the time when they are due. The first is at hand; to add, to move and
 * to remove one takes as many steps as the logarithm of how many there are.
 */
export class Heap<T> {
  /** The children of the node at n stand at 2 n + 1 and 2 n + 2, and come no earlier. */
  readonly #nodes: Node<T>[] = [];
  readonly #byItem = new Map<T, Node<T>>();

  get size(): number {
    return this.#nodes.length;
  }

  /** The number of the first, or Infinity. */
  get firstAt(): number {
    return this.#nodes[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Every item, in no order. */
  items(): IterableIterator<T> {
    return this.#byItem.keys();
  }

  /** Adds an item, or moves it. */
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

  /** The items whose number is no higher, in no order; takes as many steps as they are. */
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

  /** Moves a node up or down to where it belongs. */
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
