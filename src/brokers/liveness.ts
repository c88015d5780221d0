import { NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import { LineSpeed, LONG_BYTES } from "./line-speed.js";

/** A broker is asked for a sign of life after so long without one from either side, and lost after so long. */
const PING_AFTER_MS = 10_000;
const SILENT_MS = 15_000;

/** How long a broker may take to answer a ping that is sent on suspicion. */
const PING_MS = 3000;

/** Whether a broker is still there: when it is to be asked, and when it is lost. Monotonic milliseconds. */
export class Liveness {
  receivedAt = 0;
  #sentAt = 0;
  #pingedAt = 0;
  /** When a ping on suspicion must be answered. */
  #answerBy = NEVER;
  /** When the last of what was written has left for certain, if the line works at all. */
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

  /** The last ping was answered: what was written before it has left. */
  ponged(now: number): void {
    this.#leftBy = Math.min(this.#leftBy, now);
  }

  /** When what is written now has left. */
  leftBy(now: number): number {
    return Math.max(now, this.#leftBy);
  }

  get isSuspected(): boolean {
    return this.#answerBy < NEVER;
  }

  /** The ping that was sent just now is to be answered soon; returns by when. */
  suspect(): number {
    this.#answerBy = this.leftBy(this.#pingedAt) + PING_MS;
    return this.#answerBy;
  }

  /** When it is to be asked. */
  get pingAt(): number {
    return PING_AFTER_MS + Math.min(this.#sentAt, Math.max(this.receivedAt, this.#pingedAt));
  }

  /** Why it is lost, if it is. */
  whyLost(now: number): BrokerError | undefined {
    if (now >= this.#answerBy) return new BrokerError("lost", `no answer to a ping within ${PING_MS} ms`);
    if (now >= this.#silentAt) return new BrokerError("lost", `silent for ${SILENT_MS / 1000} s`);
    return undefined;
  }

  /** When there is something to do. */
  get dueAt(): number {
    return Math.min(this.#silentAt, this.#answerBy, this.pingAt);
  }

  get #silentAt(): number {
    // Where timers come late, it may not have been asked yet.
    if (this.#pingedAt <= this.receivedAt) return NEVER;
    const askedFor = this.#pingedAt + SILENT_MS - PING_AFTER_MS;
    // An answer waits behind what was written before.
    return Math.max(askedFor, this.leftBy(this.receivedAt) + SILENT_MS);
  }
}
