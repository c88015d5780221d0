import { MeshError } from "../errors.js";

/** Runs one piece of work after the other, until it is closed. Who waits for his turn, or in it, can give up. */
export class Turns {
  readonly #closing: AbortController = new AbortController();
  readonly #name: string;
  #last: Promise<unknown> = Promise.resolve();

  /** @param name - whose turns they are, for the errors */
  constructor(name: string) {
    this.#name = name;
  }

  get isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  /**
   * @param work - is given a signal that ends it
   * @throws {@link MeshError} `ABORTED`, `CLOSED`, and what the work throws
   */
  async take<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const closing = this.#closing.signal;
    // Not AbortSignal.any: in Node 20 a source that lives long keeps all that was ever made of it.
    const ending = new AbortController();
    const close = (): void => ending.abort(closing.reason);
    const abort = (): void =>
      ending.abort(new MeshError("ABORTED", `${this.#name}: aborted`, { cause: signal?.reason }));
    closing.addEventListener("abort", close);
    signal?.addEventListener("abort", abort);
    if (closing.aborted) close();
    else if (signal?.aborted) abort();
    const result = this.#last.then(async () => {
      ending.signal.throwIfAborted();
      return await work(ending.signal);
    });
    this.#last = result.catch(() => undefined);
    try {
      return await until(result, ending.signal);
    } finally {
      closing.removeEventListener("abort", close);
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends what is running, refuses what waits, and resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closing.abort(new MeshError("CLOSED", `${this.#name} is looked after no more`));
    await this.#last;
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
