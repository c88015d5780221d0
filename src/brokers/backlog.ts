import { NEVER } from "../base/alarm.js";

/** A broker is given up when unread bytes from it have waited for this share of this time, in ms. */
export const FLOOD_MS = 10_000;
const FLOODED_SHARE = 0.95;

/** Measures how long unread bytes have waited. All times are monotonic milliseconds. */
export class Backlog {
  #since = NEVER;
  /** For how long bytes have waited in earlier periods since the last look. */
  #ms = 0;
  #lookedAt = 0;

  get isThere(): boolean {
    return this.#since < NEVER;
  }

  /** Begins the measurement. */
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

  /** The time of the next look. */
  get lookAt(): number {
    return this.#lookedAt + FLOOD_MS;
  }

  /** Whether bytes have waited for nearly all of the time since the last look. */
  isFlood(now: number): boolean {
    const ms = this.#ms + Math.max(0, now - this.#since);
    const isFlood = ms > FLOODED_SHARE * (now - this.#lookedAt);
    this.#lookedAt = now;
    this.#ms = 0;
    if (this.isThere) this.#since = now;
    return isFlood;
  }
}
