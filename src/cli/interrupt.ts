import { setMaxListeners } from "node:events";

/** The reason why a command ended early. */
type Cause = "SIGINT" | "SIGTERM" | "EPIPE" | "STDOUT";

/**
 * The exit codes that shells use for a process that was ended by a signal. EPIPE is no error: the reader has read
 * enough.
 */
const EXIT_CODES: Readonly<Record<Cause, number>> = { SIGINT: 130, SIGTERM: 143, EPIPE: 0, STDOUT: 1 };

/** How long a command may take to close everything after an interrupt, in ms. */
const INSIST_AFTER_MS = 500;

/** Turns the first SIGINT, SIGTERM or failure of stdout into an abort. The second signal kills the process as usual. */
export class Interrupt {
  readonly #controller = new AbortController();
  #cause: Cause | undefined;
  #writeError: Error | undefined;

  constructor() {
    // All work of a command listens to this signal, so more than ten listeners are no leak.
    setMaxListeners(0, this.#controller.signal);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The exit code after an interrupt; undefined before one. */
  get exitCode(): number | undefined {
    return this.#cause === undefined ? undefined : EXIT_CODES[this.#cause];
  }

  /** Why stdout failed; undefined when its reader only closed the pipe. */
  get writeError(): Error | undefined {
    return this.#writeError;
  }

  readonly #onSignal = (signal: NodeJS.Signals): void =>
    this.raise(signal === "SIGTERM" ? "SIGTERM" : "SIGINT");

  /** Listens for signals until {@link stop}. */
  watch(): void {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") this.#writeError ??= error;
      this.raise(error.code === "EPIPE" ? "EPIPE" : "STDOUT");
    });
    // An error of stderr cannot be reported anywhere.
    process.stderr.on("error", () => {});
  }

  raise(cause: Cause): void {
    this.stop();
    this.#cause ??= cause;
    this.#controller.abort();
  }

  stop(): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  /**
   * Ends the process by the signal itself after a moment, in case work that cannot be ended keeps the process alive:
   * opening a FIFO, or looking up a name. `process.exit` would wait for such work, too.
   */
  insist(): void {
    const cause = this.#cause;
    if (cause !== "SIGINT" && cause !== "SIGTERM") return;
    setTimeout(() => process.kill(process.pid, cause), INSIST_AFTER_MS).unref();
  }
}

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * The result of some work, or a rejection when the signal fires. For work that cannot be aborted itself, such as
 * opening a FIFO, which waits for a writer.
 */
export async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const end = aborted(signal).then((): never => {
    throw signal.reason;
  });
  return await Promise.race([work, end]);
}

/** Resolves after `ms` milliseconds, or when the signal fires. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
