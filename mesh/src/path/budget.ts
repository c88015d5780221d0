import { DESTINATION_PER_SECOND, PEER_BURST, PEER_PER_SECOND } from "./constants.js";

/** A tolerance for rounding errors of the fractions. */
const ROUNDING = 1e-6;

/**
 * A token bucket: it holds at most `burst` tokens, and gains `perSecond` tokens each second. All times are monotonic
 * milliseconds.
 */
export class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes a token, if there is one. */
  take(now: number): boolean {
    if (this.readyAt(now) > now) return false;
    this.#tokens--;
    return true;
  }

  /** The time when there is a token: `now` or later. */
  readyAt(now: number): number {
    this.#refill(now);
    if (this.#tokens >= 1 - ROUNDING) return now;
    return now + Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1000);
  }

  isFull(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#burst;
  }

  #refill(now: number): void {
    if (this.#at >= now) return;
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
  }
}

/**
 * The limit for probes to one address. All machines of a host share it, because several peers may name the same victim.
 */
export class DestinationBudget {
  readonly #buckets = new Map<string, Bucket>();
  #sweptAt = Number.NEGATIVE_INFINITY;

  readyAt(address: string, now: number): number {
    return this.#buckets.get(address)?.readyAt(now) ?? now;
  }

  take(address: string, now: number): boolean {
    // A bucket that was unused for a second is full, and a missing bucket counts as full.
    if (now - this.#sweptAt >= 1000) this.#sweep(now);
    let bucket = this.#buckets.get(address);
    if (bucket === undefined) {
      bucket = new Bucket(DESTINATION_PER_SECOND, DESTINATION_PER_SECOND);
      this.#buckets.set(address, bucket);
    }
    return bucket.take(now);
  }

  #sweep(now: number): void {
    for (const [address, bucket] of this.#buckets) if (bucket.isFull(now)) this.#buckets.delete(address);
    this.#sweptAt = now;
  }
}

/** The limits for probes of one machine: to all candidates together, and to each address. */
export class ProbeBudget {
  readonly #peer = new Bucket(PEER_PER_SECOND, PEER_BURST);
  readonly #destinations: DestinationBudget;

  constructor(destinations: DestinationBudget) {
    this.#destinations = destinations;
  }

  /** The time when a probe to this address may be sent: `now` or later. */
  readyAt(address: string, now: number): number {
    return Math.max(this.#peer.readyAt(now), this.#destinations.readyAt(address, now));
  }

  /** Takes the tokens for a probe to this address, if there are enough. */
  take(address: string, now: number): boolean {
    if (this.readyAt(address, now) > now) return false;
    return this.#peer.take(now) && this.#destinations.take(address, now);
  }
}
