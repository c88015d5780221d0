/** How long a mapping is asked for, s: as Tailscale and NetBird ask. */
export const LEASE_S = 7200;

/** The shortest time between two requests, ms, however short the gateway's leases are. */
const MIN_MS = 5000;
/** A gateway that does not answer is asked again after 5 s, then after twice as long each time, up to this, ms. */
const MAX_RETRY_MS = 600_000;
/** By how much of the lease a renewal comes earlier than at its half, at most: so hosts do not ask all at once. */
const SPREAD = 0.05;

/**
 * When a gateway is asked for a mapping, and until when it may be believed that there is one. All times are monotonic
 * milliseconds. A lease is renewed before half of it is over. When nothing comes of that, it is tried again after half of
 * what is left, at 5 s at the least.
 */
export class LeaseClock {
  #dueAt = Number.NEGATIVE_INFINITY;
  #endsAt: number | undefined;
  #retryMs = MIN_MS;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** When the gateway is to be asked. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether there is a mapping, as far as one can know. */
  isValid(now: number): boolean {
    return this.#endsAt !== undefined && now < this.#endsAt;
  }

  /** How long the mapping lasts still, ms; undefined when there is none, infinite when nothing ends it. */
  leftMs(now: number): number | undefined {
    return this.#endsAt === undefined ? undefined : Math.max(0, this.#endsAt - now);
  }

  /**
   * The gateway has made or renewed it.
   * @param lifetimeS - undefined when it stays until it is removed: it is asked for again all the same, as the gateway
   * may have forgotten it
   * @param random - from 0 up to 1
   */
  granted(lifetimeS: number | undefined, now: number, random: number): void {
    this.#retryMs = MIN_MS;
    this.#askedAt = now;
    this.#endsAt = lifetimeS === undefined ? Number.POSITIVE_INFINITY : now + lifetimeS * 1000;
    // Whoever grants a year may forget it tomorrow.
    const leaseMs = Math.min(lifetimeS ?? LEASE_S, LEASE_S) * 1000;
    this.#dueAt = now + Math.max(MIN_MS, leaseMs * (0.5 - SPREAD * random));
  }

  /** The gateway has not, or does not answer. */
  failed(now: number): void {
    this.#askedAt = now;
    const left = this.leftMs(now) ?? 0;
    if (left > 0 && Number.isFinite(left)) {
      this.#dueAt = now + Math.max(MIN_MS, left / 2);
      return;
    }
    this.#endsAt = undefined;
    this.#dueAt = now + this.#retryMs;
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }

  /** The gateway seems to have forgotten it. Whatever it says, and how often, it is asked at most every 5 s for that. */
  forgotten(now: number): void {
    this.#dueAt = Math.min(this.#dueAt, Math.max(now, this.#askedAt + MIN_MS));
  }

  /** The network is another one, or was away: what was granted may be gone. */
  again(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#retryMs = MIN_MS;
  }
}
