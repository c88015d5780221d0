import type { BrokerRate } from "./broker-pool.js";

/** The part of the bucket that only ACKs may draw: a peer that waits for one must not starve behind our own sends. */
const KEPT_FOR_ACKS = 0.25;

/**
 * How many publishes a broker's operator tolerates: a token bucket, `burst` deep, refilled
 * `perSecond`. Times are monotonic milliseconds.
 */
export class TokenBucket {
  readonly #rate: BrokerRate | undefined;
  #tokens: number;
  #at: number | undefined;

  /** @param rate - unlimited when absent */
  constructor(rate: BrokerRate | undefined) {
    this.#rate = rate;
    this.#tokens = rate?.burst ?? 0;
  }

  /** Takes a token for a message, if there is one. */
  takeForMessage(now: number): boolean {
    return this.readyAt(now) <= now && this.takeForAck(now);
  }

  /** Takes a token for an ACK, if there is one. */
  takeForAck(now: number): boolean {
    if (!this.#rate) return true;
    this.#refill(this.#rate, now);
    if (this.#tokens < 1 - 1e-6) return false;
    this.#tokens--;
    return true;
  }

  /** When there is a token for a message: `now` or later. */
  readyAt(now: number): number {
    if (!this.#rate) return now;
    this.#refill(this.#rate, now);
    // A bucket of 1 has nothing to keep back.
    const wanted = 1 + Math.min(Math.floor(this.#rate.burst * KEPT_FOR_ACKS), this.#rate.burst - 1);
    // Sums of fractions fall short by less than anybody can wait.
    return this.#tokens > wanted - 1e-6 ? now : now + ((wanted - this.#tokens) / this.#rate.perSecond) * 1000;
  }

  #refill(rate: BrokerRate, now: number): void {
    const elapsedMs = now - (this.#at ?? now);
    this.#tokens = Math.min(rate.burst, this.#tokens + (elapsedMs / 1000) * rate.perSecond);
    this.#at = now;
  }
}
