import { NEVER } from "../base/alarm.js";
import { LONG_BYTES } from "./line-speed.js";

/** The number of sessions that must end before their length counts as too long. One end may be chance. */
const ENDINGS = 2;

/** How long the limit is kept, in ms. The operator may raise the broker's limit later. */
const KEPT_MS = 600_000;

/**
 * Learns the longest packet that a broker accepts. A packet that is too long ends the session, and all messages on
 * their way are lost with it. So a length that has ended sessions is not published there again. All times are monotonic
 * milliseconds.
 */
export class SizeLimit {
  /** The long packets that the broker has not read yet, in their order. */
  readonly #unread: number[] = [];
  #longestTaken = 0;
  /** The number of sessions in a row that ended with an unread long packet. */
  #endings = 0;
  /** Until the time `#until`, packets of this length and more are not published. */
  #tooLong = NEVER;
  #until = -NEVER;

  /** Whether a packet of `length` bytes may be published. */
  takes(length: number, now: number): boolean {
    return length < this.#tooLong || now >= this.#until;
  }

  published(length: number): void {
    if (length >= LONG_BYTES) this.#unread.push(length);
  }

  /** The broker has read the first of the unread long packets. */
  read(): void {
    this.taken(this.#unread.shift() ?? 0);
  }

  /** A packet of this length went through the broker. */
  taken(length: number): void {
    this.#longestTaken = Math.max(this.#longestTaken, length);
    if (length >= LONG_BYTES) this.#endings = 0;
    if (length < this.#tooLong) return;
    this.#tooLong = NEVER;
  }

  /** The session has ended. The longest unread packet may be the reason. */
  ended(now: number): void {
    let longest = 0;
    for (const length of this.#unread) longest = Math.max(longest, length);
    this.#unread.length = 0;
    if (longest <= this.#longestTaken) return;
    this.#endings++;
    // When the broker already has a limit, one more end is enough to lower it.
    const isKnown = now < this.#until && this.#tooLong < NEVER;
    if (this.#endings < ENDINGS && !isKnown) return;
    this.#tooLong = isKnown ? Math.min(this.#tooLong, longest) : longest;
    this.#until = now + KEPT_MS;
  }
}
