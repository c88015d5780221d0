import { NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import { LineSpeed, LONG_BYTES } from "./line-speed.js";

/**
 * After this time without traffic in one of the directions the broker is pinged. After this time without any answer it
 * counts as lost.
 */
const PING_AFTER_MS = 10_000;
const SILENT_MS = 15_000;

/** How long a broker may take to answer a ping that was sent on suspicion, in ms. */
const PING_MS = 3000;

/** Decides when a broker is pinged, and when it counts as lost. All times are monotonic milliseconds. */
export class Liveness {
  receivedAt = 0;
  #sentAt = 0;
  #pingedAt = 0;
  /** The time by which a ping on suspicion must be answered. */
  #answerBy = NEVER;
  /** The time by which all written bytes must have left, if the line works at all. */
  #leftBy = 0;

  received(now: number): void {
    this.receivedAt = now;
    this.#answerBy = NEVER;
  }

  sent(bytes: number, now: number): void {
    this.#sentAt = now;
    if (bytes >= LONG_BYTES) this.#leftBy = this.leftBy(now) + LineSpeed.longestMs(bytes);
  }

  pinged(now: number): void {
    this.#pingedAt = now;
  }

  /** The last ping was answered, so everything written before it has left. */
  ponged(now: number): void {
    this.#leftBy = Math.min(this.#leftBy, now);
  }

  /** The time by which bytes that are written now must have left. */
  leftBy(now: number): number {
    return Math.max(now, this.#leftBy);
  }

  get isSuspected(): boolean {
    return this.#answerBy < NEVER;
  }

  /** Turns the ping that was just sent into a ping on suspicion. Returns the time by which the broker must answer. */
  suspect(): number {
    this.#answerBy = this.leftBy(this.#pingedAt) + PING_MS;
    return this.#answerBy;
  }

  /** The time of the next ping. */
  get pingAt(): number {
    return PING_AFTER_MS + Math.min(this.#sentAt, Math.max(this.receivedAt, this.#pingedAt));
  }

  /** Why the broker counts as lost; undefined while it does not. */
  whyLost(now: number): BrokerError | undefined {
    if (now >= this.#answerBy) return new BrokerError("lost", `no answer to a ping within ${PING_MS} ms`);
    if (now >= this.#silentAt) return new BrokerError("lost", `silent for ${SILENT_MS / 1000} s`);
    return undefined;
  }

  /** The time of the next check. */
  get dueAt(): number {
    return Math.min(this.#silentAt, this.#answerBy, this.pingAt);
  }

  get #silentAt(): number {
    // When timers are late, a ping may not have been sent yet.
    if (this.#pingedAt <= this.receivedAt) return NEVER;
    const askedFor = this.#pingedAt + SILENT_MS - PING_AFTER_MS;
    // The answer to a ping comes only after everything that was written before the ping has left.
    return Math.max(askedFor, this.leftBy(this.receivedAt) + SILENT_MS);
  }
}
