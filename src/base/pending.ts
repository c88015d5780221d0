/** Work that was begun and has not ended yet, with or without success. */
export class Pending {
  readonly #work = new Set<Promise<unknown>>();

  /** Registers some work, and returns it. */
  track<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => void this.#work.delete(work);
    this.#work.add(work);
    work.then(forget, forget);
    return work;
  }

  /** Resolves when all work that was registered before this call has ended. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#work);
  }
}
