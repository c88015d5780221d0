import {
  ASK_WITH_SESSION_MS,
  ASK_WITHOUT_SESSION_MS,
  ASKED_AGAIN_MS,
  EVIDENCE_MS,
  HANDSHAKE_GAP_MAX_MS,
  HANDSHAKE_GAP_MS,
  QUIET_ACTIVE_MS,
  SWITCH_SETTLE_MS,
} from "./constants.js";
import { isData, type WireGuardWatch } from "./wireguard-watch.js";

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Gets a WireGuard session started on the path in use, and checks that its packets pass, which probes do not prove.
 *
 * The decider starts the handshake. The follower starts one only after waiting for a while, because two initiations
 * that cross each other both fail, which costs 5 s. A lost initiation costs 5 s as well, unless the *other* side starts
 * one. So a side that waits in vain asks for it in its probes.
 */
export class Session {
  readonly #watch: WireGuardWatch;
  readonly #isDecider: boolean;
  /** Since when data is expected, because the path or the session is new; Infinity after data came. */
  #since = Number.POSITIVE_INFINITY;
  /** When the use of the path began. WireGuard is made to send on it once in any case. */
  #begunAt = Number.POSITIVE_INFINITY;
  #evidenceMs = EVIDENCE_MS;
  /** Before this time, packets may still come from the previous path. */
  #settledAt = NEVER;
  /** When the current wait began, not counting repetitions. */
  #freshAt = NEVER;
  /** When everything was last known to work. */
  #wellAt = Number.POSITIVE_INFINITY;
  #received = 0;
  /** When a handshake was last started, or a packet was sent, for this path. */
  #startedAt = NEVER;
  #gap = HANDSHAKE_GAP_MS;
  #askedAt = NEVER;
  /** The peer cannot be told to send before this time. */
  #helpedAt = NEVER;
  #helpGap = HANDSHAKE_GAP_MS;

  constructor(watch: WireGuardWatch, isDecider: boolean) {
    this.#watch = watch;
    this.#isDecider = isDecider;
  }

  /**
   * Begins the use of a path on which nothing has come out of WireGuard yet.
   * @param evidenceMs - how long that may last
   */
  begin(now: number, evidenceMs: number = EVIDENCE_MS): void {
    this.#evidenceMs = evidenceMs;
    this.#settledAt = this.#watch.isActive(now) ? now + SWITCH_SETTLE_MS : now;
    this.#await(now);
    this.#begunAt = now;
    this.#startedAt = NEVER;
    this.#gap = HANDSHAKE_GAP_MS;
  }

  /** Takes over a path with a session from before. It is assumed to work. */
  adopt(now: number): void {
    this.end();
    this.#wellAt = now;
  }

  /** Must be called when no path is in use. */
  end(): void {
    this.#since = this.#begunAt = this.#wellAt = Number.POSITIVE_INFINITY;
  }

  /** Whether something new is expected from WireGuard soon. */
  isHurried(now: number): boolean {
    return this.isWaiting && now - Math.max(this.#freshAt, this.#startedAt) < EVIDENCE_MS;
  }

  /**
   * Handles a look at WireGuard.
   * @param isHere - whether WireGuard sends on the path in use; otherwise received bytes prove nothing about that path
   * @returns whether this look has shown that its packets pass
   */
  look(now: number, isHere: boolean): boolean {
    if (!this.isWaiting) {
      // A handshake that was just started gets its time first.
      const isStarting = now < this.#startedAt + HANDSHAKE_GAP_MS;
      if (this.#watch.hasLostSession(now) && !isStarting) this.begin(now);
      else if (now >= this.#quietAt(now)) this.#await(now);
      return false;
    }
    if (now < this.#settledAt || !isHere) {
      this.#received = this.#watch.received;
      return false;
    }
    if (!this.#isUnseen || !this.#watch.hasSession(now) || !isData(this.#watch.received - this.#received))
      return false;
    this.#since = Number.POSITIVE_INFINITY;
    this.#wellAt = now;
    this.#helpGap = HANDSHAKE_GAP_MS;
    return true;
  }

  /** Whether WireGuard's packets did not pass for long enough although probes did. The wait begins again. */
  takeFailure(now: number): boolean {
    if (now < this.#since + this.#evidenceMs) return false;
    this.#since = now;
    this.#received = this.#watch.received;
    return true;
  }

  /** Whether the peer must be asked to send, because nothing comes. */
  asks(now: number): boolean {
    return now >= this.#askAt(now);
  }

  /** @returns how WireGuard must be made to send now; undefined when it need not */
  takeStart(now: number): { readonly isFresh: boolean } | undefined {
    if (now < this.#startAt(now)) return undefined;
    const isFresh = !this.#watch.hasSession(now);
    if (this.#startedAt !== NEVER) this.#gap = Math.min(HANDSHAKE_GAP_MAX_MS, this.#gap * 2);
    this.#start(now, isFresh);
    return { isFresh };
  }

  /** Handles a request of the peer. @returns how WireGuard must be made to send; undefined when it need not */
  takeRequest(now: number): { readonly isFresh: boolean } | undefined {
    // The peer may send without anything arriving here, which only this side can see.
    if (!this.isWaiting && now > this.#watch.dataAt + QUIET_ACTIVE_MS) this.#await(now);
    if (now < this.#startedAt + HANDSHAKE_GAP_MS || now < this.#helpedAt + this.#helpGap) return undefined;
    const isRepeated = now - this.#askedAt < ASKED_AGAIN_MS;
    // A first request may be due to a lost keepalive. A second one means that the session is lost.
    const isFresh = !this.#watch.hasSession(now) || isRepeated;
    this.#helpGap = isRepeated ? Math.min(HANDSHAKE_GAP_MAX_MS, this.#helpGap * 2) : HANDSHAKE_GAP_MS;
    this.#askedAt = now;
    this.#helpedAt = now;
    this.#start(now, isFresh);
    return { isFresh };
  }

  /** The peer does not ask any more, so its next request is a first one again. */
  endRequest(): void {
    this.#askedAt = NEVER;
  }

  nextAt(now: number): number {
    return Math.min(this.#since + this.#evidenceMs, this.#askAt(now), this.#startAt(now));
  }

  get #isUnseen(): boolean {
    return this.#since !== Number.POSITIVE_INFINITY;
  }

  /** Whether it was not seen yet that WireGuard's packets pass. */
  get isWaiting(): boolean {
    return this.#isUnseen || (this.#begunAt !== Number.POSITIVE_INFINITY && this.#startedAt === NEVER);
  }

  #await(now: number): void {
    this.#since = this.#freshAt = now;
    this.#received = this.#watch.received;
  }

  /** The time from which WireGuard has been quiet for too long although data flows, which is always answered. */
  #quietAt(now: number): number {
    if (!this.#watch.isActive(now)) return Number.POSITIVE_INFINITY;
    return Math.max(this.#wellAt, this.#watch.dataAt) + QUIET_ACTIVE_MS;
  }

  #start(now: number, isFresh: boolean): void {
    this.#startedAt = now;
    if (isFresh) this.#watch.renew(now);
  }

  #askAt(now: number): number {
    return this.#since + (this.#watch.hasSession(now) ? ASK_WITH_SESSION_MS : ASK_WITHOUT_SESSION_MS);
  }

  #startAt(now: number): number {
    const hasSession = this.#watch.hasSession(now);
    if (this.#startedAt === NEVER) {
      return hasSession || this.#isDecider ? this.#begunAt : this.#begunAt + ASK_WITHOUT_SESSION_MS;
    }
    return this.#isUnseen && !hasSession ? this.#startedAt + this.#gap : Number.POSITIVE_INFINITY;
  }
}
