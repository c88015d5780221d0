import { MeshError } from "../errors.js";

/** Runs one piece of work at a time, until it is closed. A caller can give up its wait or its running work. */
export class Turns {
  readonly #name: string;
  /**
   * The controllers that end running and waiting work. A single signal for all would get many listeners, and Node warns
   * of that.
   */
  readonly #endings = new Set<AbortController>();
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param name - the name of the owner, for the errors */
  constructor(name: string) {
    this.#name = name;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * @param work - gets a signal that ends the work
   * @throws {@link MeshError} `ABORTED`, `CLOSED`, or the error of the work
   */
  async take<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // AbortSignal.any is not used: in Node 20, a source that lives long keeps every signal that was made from it.
    const ending = new AbortController();
    const abort = (): void =>
      ending.abort(new MeshError("ABORTED", `${this.#name}: aborted`, { cause: signal?.reason }));
    this.#endings.add(ending);
    signal?.addEventListener("abort", abort);
    if (this.#isClosed) ending.abort(this.#closed());
    else if (signal?.aborted) abort();
    const result = this.#last.then(async () => {
      ending.signal.throwIfAborted();
      return await work(ending.signal);
    });
    this.#last = result.catch(() => undefined);
    try {
      return await until(result, ending.signal);
    } finally {
      this.#endings.delete(ending);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends running work, refuses waiting work, and resolves when no work is running. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const ending of this.#endings) ending.abort(this.#closed());
    await this.#last;
  }

  #closed(): MeshError {
    return new MeshError("CLOSED", `${this.#name} is looked after no more`);
  }
}

/** The result of work, or a rejection when the signal fires. */
async function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    work.then(resolve, reject);
  });
}
