import { abortable } from "./abort.js";
import { SidewireError } from "./errors.js";
import { Pending } from "./pending.js";

type Phase = "new" | "running" | "closing" | "closed";

/**
 * How far a router is: new, running, closing (takes nothing new, what was begun may end), closed.
 * Knows what was begun, so that closing can wait for it, and whom to tell that nothing comes any more.
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
   * For what was begun before it was closing, and may end.
   * @throws SidewireError `CLOSED`
   */
  checkNotOver(): void {
    if (this.isClosed) throw closedError();
  }

  begin(): void {
    this.#phase = "running";
  }

  /** From now on {@link checkRunning} throws; what was begun goes on. */
  beginClosing(): void {
    this.#phase = "closing";
  }

  /** Notes work that closing waits for. */
  track<T>(work: Promise<T>): Promise<T> {
    return this.#work.track(work);
  }

  /**
   * Resolves when the work that was begun has ended, however it ended.
   * @param over - ends the wait earlier, as the signal does
   */
  async drain(over: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    await abortable(Promise.race([this.#work.settled(), over]), signal).catch(() => {});
  }

  /** Calls `fail` when the router is closed; returns the function that takes it off again. */
  onClosed(fail: (error: SidewireError) => void): () => void {
    this.#watchers.add(fail);
    return () => this.#watchers.delete(fail);
  }

  /** The end: tells everybody who waits. */
  close(): void {
    this.#phase = "closed";
    for (const fail of this.#watchers) fail(closedError());
    this.#watchers.clear();
  }
}

/** What calls to a closed router are answered with. */
export function closedError(): SidewireError {
  return new SidewireError("CLOSED", "the router was closed");
}
