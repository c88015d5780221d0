import { MeshError } from "../errors.js";

/** Runs one piece of work after the other, until it is closed. Who waits for his turn, or in it, can give up. */
export class Turns {
  readonly #name: string;
  /** Ends each piece of work that runs or waits. One signal for all would have as many listeners: Node warns of that. */
  readonly #endings = new Set<AbortController>();
  #isClosed = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @param name - whose turns they are, for the errors */
  constructor(name: string) {
    this.#name = name;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * @param work - is given a signal that ends it
   * @throws {@link MeshError} `ABORTED`, `CLOSED`, and what the work throws
   */
  async take<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    // Not AbortSignal.any: in Node 20 a source that lives long keeps all that was ever made of it.
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

  /** Ends what is running, refuses what waits, and resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const ending of this.#endings) ending.abort(this.#closed());
    await this.#last;
  }

  #closed(): MeshError {
    return new MeshError("CLOSED", `${this.#name} is looked after no more`);
  }
}

/** What work ends with, or why it is not waited for any more. */
async function until<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return await new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    work.then(resolve, reject);
  });
}
