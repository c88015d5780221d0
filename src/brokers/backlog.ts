import { NEVER } from "../base/alarm.js";

/** A broker that sends more than can be read for so much of such a time is left, ms. */
export const FLOOD_MS = 10_000;
const FLOODED_SHARE = 0.95;

/** Since when there is more to read than was read, and for how much of the time. Monotonic milliseconds. */
export class Backlog {
  #since = NEVER;
  /** For how long there was one before, since it was last looked. */
  #ms = 0;
  #lookedAt = 0;

  get isThere(): boolean {
    return this.#since < NEVER;
  }

  /** From now on it counts. */
  start(now: number): void {
    this.#lookedAt = now;
  }

  began(now: number): void {
    this.#since = now;
  }

  ended(now: number): void {
    this.#ms += now - this.#since;
    this.#since = NEVER;
  }

  /** When to look next. */
  get lookAt(): number {
    return this.#lookedAt + FLOOD_MS;
  }

  /** Whether it was there for nearly all of the time since it was last looked. */
  isFlood(now: number): boolean {
    const ms = this.#ms + Math.max(0, now - this.#since);
    const isFlood = ms > FLOODED_SHARE * (now - this.#lookedAt);
    this.#lookedAt = now;
    this.#ms = 0;
    if (this.isThere) this.#since = now;
    return isFlood;
  }
}
