import { concatBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { NEVER } from "../base/alarm.js";
import { MAX_SEQUENCE, QUEUE_ID_BYTES } from "../wire/packet.js";
import type { Place } from "./outbox.js";

/** The default time that a receiver waits at a gap, plus half of it, in ms. */
const GAP_MS = 1500;

/**
 * Numbers the messages of a pipe: 0, 1, 2 … in a queue of its own. A number that was never published is given back and
 * used again, so that the receiver does not wait for it.
 */
export class Numbering {
  #queueId: string = randomQueueId();
  #sequence = 0;
  /** Numbers below the next one that were given back. */
  readonly #free = new Set<number>();
  /** Whether no message is on its way. */
  #isSettled = true;
  /** Since when no message is on its way; monotonic ms. */
  #settledAt = -NEVER;
  #wakes = 0;

  /**
   * The next number.
   * @param wakes - how often the machine has woken. A virtual machine that was restored from a snapshot would use old
   * numbers for new messages, and the receiver would take the messages for copies. So after a wake-up a new queue
   * begins.
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
   * The first message of a new queue has to wait until this time, in monotonic ms. A sleep may have left a gap in the
   * old queue, and acknowledged messages may wait behind that gap at the receiver. The new message must not overtake
   * them.
   */
  restsUntil(wakes: number): number {
    return this.#isSettled && wakes !== this.#wakes ? this.#settledAt + GAP_MS : -NEVER;
  }

  /** A queue for one message only. */
  apart(): Place {
    return { queueId: randomQueueId(), sequence: 0 };
  }

  /** Gives a number back. The number is used again when all higher numbers were given back, too. */
  giveBack({ queueId, sequence }: Place): void {
    if (queueId !== this.#queueId) return;
    this.#free.add(sequence);
    while (this.#free.delete(this.#sequence - 1)) this.#sequence--;
  }

  /**
   * Must be called when no message is on its way any more. Numbers that were given back and have a used number above
   * them are then lost.
   */
  settle(now: number): void {
    this.#free.clear();
    if (!this.#isSettled) this.#settledAt = now;
    this.#isSettled = true;
  }
}

/** A new queue id. The hash contains the time as well, because random bytes may repeat after a restored snapshot. */
export function randomQueueId(): string {
  const now = utf8ToBytes(`${Date.now()} ${performance.now()}`);
  return platform.sha256(concatBytes(randomBytes(QUEUE_ID_BYTES), now));
}
