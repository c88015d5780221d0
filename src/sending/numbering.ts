import { concatBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { NEVER } from "../base/alarm.js";
import { MAX_SEQUENCE, QUEUE_ID_BYTES } from "../wire/packet.js";
import type { Place } from "./outbox.js";

/** As long as a receiver waits at a gap, if it does not say otherwise, and half as long again. */
const GAP_MS = 1500;

/**
 * Numbers the messages of a pipe: 0, 1, 2 … in a queue of its own. A number that no broker has seen is
 * given back and used again, so that the receiver does not wait for it.
 */
export class Numbering {
  #queueId: string = randomQueueId();
  #sequence = 0;
  /** Numbers below the next one that were given back. */
  readonly #free = new Set<number>();
  /** Whether nothing is on its way. */
  #isSettled = true;
  /** Since when, monotonic ms. */
  #settledAt = -NEVER;
  #wakes = 0;

  /**
   * @param wakes - how often the machine has woken. A virtual machine that was set back to an earlier state would
   * give the same numbers to other messages, which the receiver takes for copies: so the queue is a new one then.
   */
  next(wakes: number): Place {
    if (this.#sequence > MAX_SEQUENCE || (this.#isSettled && wakes !== this.#wakes)) {
      this.#queueId = randomQueueId();
      this.#sequence = 0;
      this.#wakes = wakes;
    }
    this.#isSettled = false;
    return { queueId: this.#queueId, sequence: this.#sequence++ };
  }

  /**
   * Until when the first message of a new queue has to wait: it would overtake what was acknowledged and waits at the
   * receiver, behind a gap that the sleep left. Monotonic ms.
   */
  restsUntil(wakes: number): number {
    return this.#isSettled && wakes !== this.#wakes ? this.#settledAt + GAP_MS : -NEVER;
  }

  /** A queue for one message alone. */
  apart(): Place {
    return { queueId: randomQueueId(), sequence: 0 };
  }

  /** Gives a number back. It is used again once all behind it were given back too. */
  giveBack({ queueId, sequence }: Place): void {
    if (queueId !== this.#queueId) return;
    this.#free.add(sequence);
    while (this.#free.delete(this.#sequence - 1)) this.#sequence--;
  }

  /** Nothing is on its way any more: a number given back that has a used one behind it stays empty. */
  settle(now: number): void {
    this.#free.clear();
    if (!this.#isSettled) this.#settledAt = now;
    this.#isSettled = true;
  }
}

/** A queue id that nobody had before: the time is in it too, for where random bytes come twice. */
export function randomQueueId(): string {
  const now = utf8ToBytes(`${Date.now()} ${performance.now()}`);
  return platform.sha256(concatBytes(randomBytes(QUEUE_ID_BYTES), now));
}
