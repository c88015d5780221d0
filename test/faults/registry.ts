/** State keepers that exist, until they are collected as garbage. */
class Living<T extends object> {
  readonly #refs = new Set<WeakRef<T>>();

  add(item: T): void {
    this.#refs.add(new WeakRef(item));
  }

  all(): T[] {
    const living: T[] = [];
    for (const ref of this.#refs) {
      const item = ref.deref();
      if (item === undefined) this.#refs.delete(ref);
      else living.push(item);
    }
    return living;
  }
}

/** What the routers of this process keep. */
export const windows: Living<{ readonly size: number }> = new Living();
export const inboxes: Living<{ readonly held: number; readonly queues: number }> = new Living();
export const outboxes: Living<{ readonly size: number }> = new Living();
