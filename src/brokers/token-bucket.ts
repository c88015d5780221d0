import type { BrokerRate } from "../wire/broker-pool.js";

/**
 * The share of the bucket that each kind of publish must leave to the more important kinds. ACKs that a peer waits for
 * must not starve behind own messages. Own messages must not starve behind answers that any stranger can request.
 */
export const Reserve = {
  /** For ACKs of messages from known peers. */
  None: 0,
  /** For own messages. */
  Message: 0.25,
  /** For ACKs of messages from strangers. */
  Stranger: 0.5,
  /** For answers to probes, and to further copies of a message. */
  Repeat: 0.75,
} as const;

export type Reserve = (typeof Reserve)[keyof typeof Reserve];

/**
 * Limits publishes to the rate that a broker's operator allows: a token bucket that holds `burst` tokens and gains
 * `perSecond` tokens each second. All times are monotonic milliseconds.
 */
export class TokenBucket {
  readonly #rate: BrokerRate | undefined;
  #tokens: number;
  #at: number | undefined;

  /** @param rate - unlimited when undefined */
  constructor(rate: BrokerRate | undefined) {
    this.#rate = rate;
    this.#tokens = rate?.burst ?? 0;
  }

  /** Takes a token, if the bucket has more tokens than the reserve. Returns whether a token was taken. */
  take(now: number, reserve: Reserve): boolean {
    if (this.readyAt(now, reserve) > now) return false;
    this.#tokens--;
    return true;
  }

  /** The time when the bucket has a token besides the reserve: `now` or later. */
  readyAt(now: number, reserve: Reserve): number {
    if (!this.#rate) return now;
    this.#refill(this.#rate, now);
    // A bucket with one token has no reserve.
    const wanted = 1 + Math.min(Math.floor(this.#rate.burst * reserve), this.#rate.burst - 1);
    // A tolerance for rounding errors of the fractions.
    return this.#tokens > wanted - 1e-6 ? now : now + ((wanted - this.#tokens) / this.#rate.perSecond) * 1000;
  }

  #refill(rate: BrokerRate, now: number): void {
    const elapsedMs = now - (this.#at ?? now);
    this.#tokens = Math.min(rate.burst, this.#tokens + (elapsedMs / 1000) * rate.perSecond);
    this.#at = now;
  }
}
