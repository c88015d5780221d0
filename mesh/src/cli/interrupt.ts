/** What ended a command before its time. */
type Cause = "SIGINT" | "SIGTERM" | "EPIPE" | "STDOUT";

/** Exit codes as shells give them to what a signal ended. A reader that has had enough is no fault. */
const EXIT_CODES: Readonly<Record<Cause, number>> = { SIGINT: 130, SIGTERM: 143, EPIPE: 0, STDOUT: 1 };

/** Turns the first SIGINT, SIGTERM or failure of stdout into an abort; the second signal kills as usual. */
export class Interrupt {
  readonly #controller = new AbortController();
  #cause: Cause | undefined;
  #writeError: Error | undefined;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** How the process ends when this ended it; undefined as long as nothing did. */
  get exitCode(): number | undefined {
    return this.#cause === undefined ? undefined : EXIT_CODES[this.#cause];
  }

  /** Why stdout took no more, unless its reader just had enough. */
  get writeError(): Error | undefined {
    return this.#writeError;
  }

  readonly #onSignal = (signal: NodeJS.Signals): void =>
    this.#raise(signal === "SIGTERM" ? "SIGTERM" : "SIGINT");

  /** Listens until {@link stop}. */
  watch(): void {
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
    process.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") this.#writeError ??= error;
      this.#raise(error.code === "EPIPE" ? "EPIPE" : "STDOUT");
    });
    // Nobody is left to be told.
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

/** Resolves when the signal fires. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Resolves after a while, or when the signal fires. */
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
