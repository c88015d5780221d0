import { setImmediate } from "node:timers/promises";
import { Queue } from "../../test/path/world/queue.js";

/** A clock that goes from one event to the next. Times are ms. */
export class Timeline {
  now = 0;
  readonly #queue = new Queue<() => void>();

  after(ms: number, what: () => void): void {
    this.#queue.push(this.now + ms, what);
  }

  async wait(ms: number): Promise<void> {
    await new Promise<void>((done) => this.after(ms, done));
  }

  /** Lets everything happen until this time; what awaits one event goes on before the next one. */
  async runUntil(until: number): Promise<void> {
    for (;;) {
      await setImmediate();
      if (this.#queue.nextAt > until) break;
      this.now = this.#queue.nextAt;
      this.#queue.pop()?.();
    }
    this.now = until;
  }
}
