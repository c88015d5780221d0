import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import type { Lifecycle } from "../base/lifecycle.js";
import { LONG_BYTES } from "../brokers/line-speed.js";

export interface TurnsOptions {
  /** How many messages may be on their way at once, and when it may be more. Monotonic ms. */
  readonly room: (now: number) => { readonly maxInFlight: number; readonly until: number };
  /** How many bytes may be on their way at once, but for one message that is longer. Short messages do not count. */
  readonly maxBytes: () => number;
  /** When a broker takes one more message; undefined when none has a limit. Monotonic ms. */
  readonly readyAt: (now: number) => number | undefined;
  readonly lifecycle: Lifecycle;
}

/**
 * Whose turn it is to be sent: messages of one pipe go in the order of their calls, so many at once,
 * no faster than the brokers' rates and the line allow.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** Lets those go whose turn has not come yet, in their order. */
  readonly #waiting = new Set<Waiting>();
  readonly #alarm: Alarm = new Alarm((now) => this.#give(now));
  #inFlight = 0;
  #bytesInFlight = 0;
  /** Those in flight that have not been published yet. */
  #unpublished = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Of the long messages that are on their way. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /**
   * Resolves when it is the turn of a message of so many bytes, which lasts until {@link end}.
   * @throws AbortError, SidewireError `CLOSED`
   */
  async take(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    const now = monotonicNow();
    if (this.#waiting.size === 0 && this.#turnAt(bytes, now) <= now) {
      this.begin(bytes);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(waiting);
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
      const waiting = { bytes, go };
      this.#waiting.add(waiting);
      this.#give(now);
    });
  }

  /** Takes a turn without waiting for it. */
  begin(bytes: number): void {
    this.#inFlight++;
    this.#bytesInFlight += weightOf(bytes);
    this.#unpublished++;
  }

  /** Whoever has the turn was published, or never will be: its token of the brokers' rates is drawn. */
  published(): void {
    this.#unpublished--;
    this.#give(monotonicNow());
  }

  end(bytes: number): void {
    this.#inFlight--;
    this.#bytesInFlight -= weightOf(bytes);
    this.#give(monotonicNow());
  }

  /** Lets go whose turn it is; returns when to look again, unless a turn ends before. */
  #give(now: number): number {
    for (const { bytes, go } of this.#waiting) {
      const at = this.#turnAt(bytes, now);
      if (at > now) {
        this.#alarm.set(at);
        return at;
      }
      this.begin(bytes);
      go();
    }
    this.#alarm.clear();
    return NEVER;
  }

  /** When it is the turn of a message of so many bytes; never, unless a turn ends before. */
  #turnAt(bytes: number, now: number): number {
    const { maxInFlight, until } = this.#options.room(now);
    if (this.#inFlight >= maxInFlight) return until;
    const weight = weightOf(bytes);
    const isBusy = this.#bytesInFlight > 0 && weight > 0;
    if (isBusy && this.#bytesInFlight + weight > this.#options.maxBytes()) return NEVER;
    const readyAt = this.#options.readyAt(now);
    if (readyAt === undefined) return now;
    // The one before has not drawn its token yet.
    return this.#unpublished > 0 ? NEVER : readyAt;
  }
}

/** A message whose turn has not come. */
interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

function weightOf(bytes: number): number {
  return bytes < LONG_BYTES ? 0 : bytes;
}
