import { NEVER } from "../base/alarm.js";
import { LONG_BYTES } from "./line-speed.js";

/** How often a length ends a session before it is the length: once may be chance. */
const ENDINGS = 2;

/** How long it counts: an operator may allow more. */
const KEPT_MS = 600_000;

/**
 * Learns which is the longest packet that a broker takes. One that is too long ends the session, and every message
 * with it that is on its way; so what ended sessions is not published there again. Monotonic milliseconds.
 */
export class SizeLimit {
  /** The long packets that the broker has not read yet, in their order. */
  readonly #unread: number[] = [];
  #longestTaken = 0;
  /** In how many sessions in a row one was the longest that was not read. */
  #endings = 0;
  /** From this length on the broker takes nothing, until then. */
  #tooLong = NEVER;
  #until = -NEVER;

  /** Whether a packet of so many bytes may be published. */
  takes(length: number, now: number): boolean {
    return length < this.#tooLong || now >= this.#until;
  }

  published(length: number): void {
    if (length >= LONG_BYTES) this.#unread.push(length);
  }

  /** The broker has read the long packet that was published first. */
  read(): void {
    this.taken(this.#unread.shift() ?? 0);
  }

  /** A packet went through the broker. */
  taken(length: number): void {
    this.#longestTaken = Math.max(this.#longestTaken, length);
    if (length >= LONG_BYTES) this.#endings = 0;
    if (length < this.#tooLong) return;
    this.#tooLong = NEVER;
  }

  /** The session has ended: by the longest packet that was not read, if any. */
  ended(now: number): void {
    let longest = 0;
    for (const length of this.#unread) longest = Math.max(longest, length);
    this.#unread.length = 0;
    if (longest <= this.#longestTaken) return;
    this.#endings++;
    // Of a broker that is known to do so, once is enough.
    const isKnown = now < this.#until && this.#tooLong < NEVER;
    if (this.#endings < ENDINGS && !isKnown) return;
    this.#tooLong = isKnown ? Math.min(this.#tooLong, longest) : longest;
    this.#until = now + KEPT_MS;
  }
}
