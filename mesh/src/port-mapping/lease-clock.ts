/** The lifetime to ask for, in s, as in Tailscale and NetBird. */
export const LEASE_S = 7200;

/** The shortest time between two requests, in ms, however short the leases are. */
const MIN_MS = 5000;
/** A gateway that does not answer is asked again after 5 s; the pause is doubled each time, up to this, in ms. */
const MAX_RETRY_MS = 600_000;
/**
 * A renewal may come earlier than at half of the lease, by at most this share of the lease. So hosts do not all ask at
 * once.
 */
const SPREAD = 0.05;

/**
 * Decides when a gateway is asked for a mapping, and until when the mapping can be assumed to exist. A lease is renewed
 * before half of it is over. After a failure, the next try comes after half of the remaining time, but not before 5 s.
 * All times are monotonic milliseconds.
 */
export class LeaseClock {
  #dueAt = Number.NEGATIVE_INFINITY;
  #endsAt: number | undefined;
  #retryMs = MIN_MS;
  #askedAt = Number.NEGATIVE_INFINITY;

  /** When the gateway must be asked. */
  get dueAt(): number {
    return this.#dueAt;
  }

  /** Whether there is a mapping, as far as this host knows. */
  isValid(now: number): boolean {
    return this.#endsAt !== undefined && now < this.#endsAt;
  }

  /** How long the mapping still lasts, in ms; undefined when there is none, Infinity when it is permanent. */
  leftMs(now: number): number | undefined {
    return this.#endsAt === undefined ? undefined : Math.max(0, this.#endsAt - now);
  }

  /**
   * Must be called when the gateway has made or renewed the mapping.
   * @param lifetimeS - undefined for a permanent mapping; it is asked for again all the same, because the gateway may
   * have forgotten it
   * @param random - from 0 up to 1
   */
  granted(lifetimeS: number | undefined, now: number, random: number): void {
    this.#retryMs = MIN_MS;
    this.#askedAt = now;
    this.#endsAt = lifetimeS === undefined ? Number.POSITIVE_INFINITY : now + lifetimeS * 1000;
    // A gateway that grants a year may forget the mapping tomorrow.
    const leaseMs = Math.min(lifetimeS ?? LEASE_S, LEASE_S) * 1000;
    this.#dueAt = now + Math.max(MIN_MS, leaseMs * (0.5 - SPREAD * random));
  }

  /** Must be called when the gateway has refused or did not answer. */
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

  /**
   * Must be called when the gateway seems to have forgotten the mapping. This causes one request in 5 s at most,
   * however often it is called.
   */
  forgotten(now: number): void {
    this.#dueAt = Math.min(this.#dueAt, Math.max(now, this.#askedAt + MIN_MS));
  }

  /** Must be called when the network has changed or was away: the mapping may be gone. */
  again(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.#retryMs = MIN_MS;
  }
}
