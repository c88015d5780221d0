import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import type { Lifecycle } from "../base/lifecycle.js";

export interface TurnsOptions {
  /** How many messages may be on their way at once, and when it may be more. Monotonic ms. */
  readonly room: (now: number) => { readonly maxInFlight: number; readonly until: number };
  /** When a broker takes one more message; undefined when none has a limit. Monotonic ms. */
  readonly readyAt: (now: number) => number | undefined;
  readonly lifecycle: Lifecycle;
}

/**
 * Whose turn it is to be sent: messages of one pipe go in the order of their calls, so many at once,
 * no faster than the brokers' rates allow.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** Lets those go whose turn has not come yet, in their order. */
  readonly #waiting = new Set<() => void>();
  readonly #alarm: Alarm = new Alarm((now) => this.#give(now));
  #inFlight = 0;
  /** Those in flight that have not been published yet. */
  #unpublished = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /**
   * Resolves when it is the caller's turn, which lasts until {@link end}.
   * @throws AbortError, SidewireError `CLOSED`
   */
  async take(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(go);
        stopWatching();
        stopListening();
      };
      const go = (): void => {
        leave();
        resolve();
      };
      const fail = (error: Error): void => {
        leave();
        if (this.#waiting.size === 0) this.#alarm.clear();
        reject(error);
      };
      const stopWatching = this.#options.lifecycle.onClosed(fail);
      const stopListening = onAbort(signal, fail);
      this.#waiting.add(go);
      this.#give(monotonicNow());
    });
  }

  /** Takes a turn without waiting for it. */
  begin(): void {
    this.#inFlight++;
    this.#unpublished++;
  }

  /** Whoever has the turn was published, or never will be: its token of the brokers' rates is drawn. */
  published(): void {
    this.#unpublished--;
    this.#give(monotonicNow());
  }

  end(): void {
    this.#inFlight--;
    this.#give(monotonicNow());
  }

  /** Lets go whose turn it is; returns when to look again, unless a turn ends before. */
  #give(now: number): number {
    for (const go of this.#waiting) {
      const { maxInFlight, until } = this.#options.room(now);
      if (this.#inFlight >= maxInFlight) {
        this.#alarm.set(until);
        return until;
      }
      const readyAt = this.#options.readyAt(now);
      // The one before has not drawn its token yet.
      if (readyAt !== undefined && this.#unpublished > 0) break;
      if (readyAt !== undefined && readyAt > now) {
        this.#alarm.set(readyAt);
        return readyAt;
      }
      this.begin();
      go();
    }
    if (this.#waiting.size === 0) this.#alarm.clear();
    return NEVER;
  }
}
