import type { BrokerRate } from "../wire/broker-pool.js";

/**
 * Who may draw how deep: each leaves a part of the bucket to those before. A peer that waits for its ACK must
 * not starve behind our own sends, and those not behind answers that anybody can ask for.
 */
export const Reserve = {
  /** ACKs of messages from known peers. */
  None: 0,
  /** Own messages. */
  Message: 0.25,
  /** ACKs of messages from strangers. */
  Stranger: 0.5,
  /** Answers to probes, and to further copies of a message. */
  Repeat: 0.75,
} as const;

export type Reserve = (typeof Reserve)[keyof typeof Reserve];

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

  /** Takes a token, if there is one besides the reserve. */
  take(now: number, reserve: Reserve): boolean {
    if (this.readyAt(now, reserve) > now) return false;
    this.#tokens--;
    return true;
  }

  /** When there is a token besides the reserve: `now` or later. */
  readyAt(now: number, reserve: Reserve): number {
    if (!this.#rate) return now;
    this.#refill(this.#rate, now);
    // A bucket of 1 has nothing to keep back.
    const wanted = 1 + Math.min(Math.floor(this.#rate.burst * reserve), this.#rate.burst - 1);
    // Sums of fractions fall short by less than anybody can wait.
    return this.#tokens > wanted - 1e-6 ? now : now + ((wanted - this.#tokens) / this.#rate.perSecond) * 1000;
  }

  #refill(rate: BrokerRate, now: number): void {
    const elapsedMs = now - (this.#at ?? now);
    this.#tokens = Math.min(rate.burst, this.#tokens + (elapsedMs / 1000) * rate.perSecond);
    this.#at = now;
  }
}
