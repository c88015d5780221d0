/** The reason why a command ended early. */
type Cause = "SIGINT" | "SIGTERM" | "EPIPE" | "STDOUT";

/**
 * The exit codes that shells use for a process that was ended by a signal. EPIPE is no error: the reader has read
 * enough.
 */
const EXIT_CODES: Readonly<Record<Cause, number>> = { SIGINT: 130, SIGTERM: 143, EPIPE: 0, STDOUT: 1 };

/** Turns the first SIGINT, SIGTERM or failure of stdout into an abort. The second signal kills the process as usual. */
export class Interrupt {
  readonly #controller = new AbortController();
  #cause: Cause | undefined;
  #writeError: Error | undefined;

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
    this.#raise(signal === "SIGTERM" ? "SIGTERM" : "SIGINT");

  /** Listens for signals until {@link stop}. */
  watch(): void {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") this.#writeError ??= error;
      this.#raise(error.code === "EPIPE" ? "EPIPE" : "STDOUT");
    });
    // An error of stderr cannot be reported anywhere.
    process.stderr.on("error", () => {});
  }

  stop(): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
  }

  #raise(cause: Cause): void {
    this.stop();
    this.#cause ??= cause;
    this.#controller.abort();
  }
}

/** Calls a listener for each of these signals, until it is disposed of. */
export function onSignals(listeners: Partial<Record<NodeJS.Signals, () => void>>): Disposable {
  const all = Object.entries(listeners);
  for (const [name, listener] of all) process.on(name, listener);
  return {
    [Symbol.dispose]: () => {
      for (const [name, listener] of all) process.off(name, listener);
    },
  };
}

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
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
