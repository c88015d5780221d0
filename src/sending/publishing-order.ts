import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";

/**
 * How long a message waits for the signature of the message before it, in ms. So a signer that hangs for one message
 * does not stop the messages behind it.
 */
const OVERTAKING_MS = 500;

/** A message's place in the order. */
export interface OrderPlace {
  before: OrderPlace | undefined;
  isOver: boolean;
  /** Called when the message has left, so that the message behind it can go. */
  onOver: () => void;
}

/**
 * Makes the messages of a pipe leave in the order in which they entered. Signing a long message takes longer than
 * signing a short one behind it. The receiver would have to wait for a message that was overtaken.
 */
export class PublishingOrder {
  #last: OrderPlace | undefined;
  /** The waiting messages in their order, each with the end of its wait. */
  readonly #waiting = new Map<() => void, number>();
  readonly #alarm: Alarm = new Alarm((now) => this.#overtake(now));

  /** Takes the last place, until {@link leave}. */
  enter(): OrderPlace {
    this.#last = { before: this.#last, isOver: false, onOver: () => {} };
    return this.#last;
  }

  /**
   * Resolves when the message before has left, or the wait for it has taken too long.
   * @throws AbortError
   */
  async reached(place: OrderPlace, signal: AbortSignal | undefined): Promise<void> {
    const { before } = place;
    if (before === undefined || before.isOver) return;
    throwIfAborted(signal);
    await new Promise<void>((resolve, reject) => {
      const end = (): void => {
        stopListening();
        this.#waiting.delete(end);
        if (this.#waiting.size === 0) this.#alarm.clear();
        resolve();
      };
      const stopListening = onAbort(signal, (error) => {
        reject(error);
        end();
      });
      before.onOver = end;
      const until = monotonicNow() + OVERTAKING_MS;
      this.#waiting.set(end, until);
      this.#alarm.set(until);
    });
  }

  /** Must be called when the message was published or never will be. A second call does nothing. */
  leave(place: OrderPlace): void {
    if (place.isOver) return;
    place.isOver = true;
    // Otherwise each place would keep all places before it in memory.
    place.before = undefined;
    if (this.#last === place) this.#last = undefined;
    place.onOver();
  }

  /** Lets the messages go whose wait is over. Returns the time of the next call. */
  #overtake(now: number): number {
    for (const [end, until] of this.#waiting) {
      if (until > now) return until;
      end();
    }
    return NEVER;
  }
}
