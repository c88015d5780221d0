/** Work that was begun, until it has ended, however it ends. */
export class Pending {
  readonly #work = new Set<Promise<unknown>>();

  /** Notes some work; returns it. */
  track<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => void this.#work.delete(work);
    this.#work.add(work);
    work.then(forget, forget);
    return work;
  }

  /** Resolves when all of it has ended that was begun before. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#work);
  }
}
