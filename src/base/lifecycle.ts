import { abortable } from "./abort.js";
import { SidewireError } from "./errors.js";
import { Pending } from "./pending.js";

type Phase = "new" | "running" | "closing" | "closed";

/**
 * The phase of a router: new, running, closing or closed. While it is closing, a router accepts no new work, and work
 * that was begun may end.
 *
 * The lifecycle keeps the work that was begun, so that closing can wait for it. It also keeps the functions that must
 * be told when the router is closed.
 */
export class Lifecycle {
  #phase: Phase = "new";
  readonly #work = new Pending();
  readonly #watchers = new Set<(error: SidewireError) => void>();

  get isRunning(): boolean {
    return this.#phase === "running";
  }

  get isClosed(): boolean {
    return this.#phase === "closed";
  }

  /** @throws SidewireError `CLOSED` */
  checkNotClosed(): void {
    if (this.#phase === "closing" || this.#phase === "closed") throw closedError();
  }

  /** @throws SidewireError `NOT_STARTED`, `CLOSED` */
  checkRunning(): void {
    this.checkNotClosed();
    if (this.#phase === "new") throw new SidewireError("NOT_STARTED", "call start() first");
  }

  /**
   * The check for work that was begun before the closing: such work may end while the router is closing.
   * @throws SidewireError `CLOSED`
   */
  checkNotOver(): void {
    if (this.isClosed) throw closedError();
  }

  begin(): void {
    this.#phase = "running";
  }

  /** From now on {@link checkRunning} throws. Work that was begun goes on. */
  beginClosing(): void {
    this.#phase = "closing";
  }

  /** Registers work that closing waits for. */
  track<T>(work: Promise<T>): Promise<T> {
    return this.#work.track(work);
  }

  /**
   * Resolves when all work that was begun has ended, with or without success.
   * @param over - ends the wait earlier when it settles, as the signal does
   */
  async drain(over: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    await abortable(Promise.race([this.#work.settled(), over]), signal).catch(() => {});
  }

  /** Calls `fail` when the router is closed. Returns a function that removes `fail`. */
  onClosed(fail: (error: SidewireError) => void): () => void {
    this.#watchers.add(fail);
    return () => this.#watchers.delete(fail);
  }

  /** Ends the lifecycle, and tells all functions that wait for the end. */
  close(): void {
    this.#phase = "closed";
    for (const fail of this.#watchers) fail(closedError());
    this.#watchers.clear();
  }
}

/** The error for calls to a closed router. */
export function closedError(): SidewireError {
  return new SidewireError("CLOSED", "the router was closed");
}
