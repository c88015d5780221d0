import { onAbort, throwIfAborted } from "../base/abort.js";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";

/** How long a message waits for the one before to be signed: a signer that hangs does not take those behind along. */
const OVERTAKING_MS = 500;

/** A message's place in the order. */
export interface OrderPlace {
  before: OrderPlace | undefined;
  isOver: boolean;
  /** Lets the one behind go, if that waits already. */
  onOver: () => void;
}

/**
 * Has the messages of a pipe published in the order in which they entered. A long one takes longer to be signed than
 * the short one behind it, and the receiver would wait for what was overtaken.
 */
export class PublishingOrder {
  #last: OrderPlace | undefined;
  /** Those that wait, and until when at most, the first of them first. */
  readonly #waiting = new Map<() => void, number>();
  readonly #alarm: Alarm = new Alarm((now) => this.#overtake(now));

  /** Takes the place behind all others, until {@link leave}. */
  enter(): OrderPlace {
    this.#last = { before: this.#last, isOver: false, onOver: () => {} };
    return this.#last;
  }

  /**
   * Resolves when the one before has left, or has been waited for as long as for a lost one.
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

  /** It was published, or never will be. Twice is once. */
  leave(place: OrderPlace): void {
    if (place.isOver) return;
    place.isOver = true;
    // Else each would keep all before it.
    place.before = undefined;
    if (this.#last === place) this.#last = undefined;
    place.onOver();
  }

  /** Lets those go that have waited long enough; returns when to look again. */
  #overtake(now: number): number {
    for (const [end, until] of this.#waiting) {
      if (until > now) return until;
      end();
    }
    return NEVER;
  }
}
