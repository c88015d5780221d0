import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import type { Lifecycle } from "../base/lifecycle.js";
import { LONG_BYTES } from "../brokers/line-speed.js";

export interface TurnsOptions {
  /** How many messages may be on their way at once, and the time when this number may grow. Monotonic ms. */
  readonly room: (now: number) => { readonly maxInFlight: number; readonly until: number };
  /**
   * How many bytes of long messages may be on their way at once. A single longer message is allowed. Short messages do
   * not count.
   */
  readonly maxBytes: () => number;
  /** When a broker accepts one more message; undefined when there is no limit. Monotonic ms. */
  readonly readyAt: (now: number) => number | undefined;
  readonly lifecycle: Lifecycle;
}

/**
 * Decides when each message of a pipe may be sent. Messages go in the order of their calls. Their number is limited,
 * and they are sent no faster than the brokers' rates and the line allow.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** The messages whose turn has not come yet, in their order. */
  readonly #waiting = new Set<Waiting>();
  readonly #alarm: Alarm = new Alarm((now) => this.#give(now));
  #inFlight = 0;
  #bytesInFlight = 0;
  /** The messages in flight that were not published yet. */
  #unpublished = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** The bytes of the long messages that are on their way. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  /** Whether no message is on its way. */
  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  /**
   * Resolves when it is the turn of a message of `bytes` bytes. The turn lasts until {@link end}.
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

  /**
   * Must be called when the message that has the turn was published or never will be. It has then taken its token from
   * the brokers' rates.
   */
  published(): void {
    this.#unpublished--;
    this.#give(monotonicNow());
  }

  end(bytes: number): void {
    this.#inFlight--;
    this.#bytesInFlight -= weightOf(bytes);
    this.#give(monotonicNow());
  }

  /** Lets the messages go whose turn has come. Returns the time of the next call, unless a turn ends before. */
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

  /** When it is the turn of a message of `bytes` bytes. Infinity means: not before another turn ends. */
  #turnAt(bytes: number, now: number): number {
    const { maxInFlight, until } = this.#options.room(now);
    if (this.#inFlight >= maxInFlight) return until;
    const weight = weightOf(bytes);
    const isBusy = this.#bytesInFlight > 0 && weight > 0;
    if (isBusy && this.#bytesInFlight + weight > this.#options.maxBytes()) return NEVER;
    const readyAt = this.#options.readyAt(now);
    if (readyAt === undefined) return now;
    // The message before has not taken its token yet.
    return this.#unpublished > 0 ? NEVER : readyAt;
  }
}

/** A message whose turn has not come yet. */
interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

function weightOf(bytes: number): number {
  return bytes < LONG_BYTES ? 0 : bytes;
}
