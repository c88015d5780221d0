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
 * Gets a session of WireGuard going on the path in use, and sees that its packets pass, which probes do not prove.
 *
 * The decider starts the handshake, the follower only when none has come for a while: two initiations that cross on
 * the way cost both their handshake, and 5 s. An initiation that was lost costs 5 s too, unless the *other* side starts
 * one: so who waits in vain asks for it in its probes.
 */
export class Session {
  readonly #watch: WireGuardWatch;
  readonly #isDecider: boolean;
  /** Since when data is waited for, because the path or the session is new; infinite when some came. */
  #since = Number.POSITIVE_INFINITY;
  /** When the path was taken into use: WireGuard is made to send on it once, whatever comes. */
  #begunAt = Number.POSITIVE_INFINITY;
  #evidenceMs = EVIDENCE_MS;
  /** Before, what comes may still be of the path that was left. */
  #settledAt = NEVER;
  /** Since when the wait was not a repetition. */
  #freshAt = NEVER;
  /** When it was last known that all is well. */
  #wellAt = Number.POSITIVE_INFINITY;
  #received = 0;
  /** When a handshake was last started, or something was sent, for this path. */
  #startedAt = NEVER;
  #gap = HANDSHAKE_GAP_MS;
  #askedAt = NEVER;
  /** The peer cannot be told to send before this. */
  #helpedAt = NEVER;
  #helpGap = HANDSHAKE_GAP_MS;

  constructor(watch: WireGuardWatch, isDecider: boolean) {
    this.#watch = watch;
    this.#isDecider = isDecider;
  }

  /**
   * A path is in use from now on, and nothing came out of WireGuard on it yet.
   * @param evidenceMs - how long that may be so
   */
  begin(now: number, evidenceMs: number = EVIDENCE_MS): void {
    this.#evidenceMs = evidenceMs;
    this.#settledAt = this.#watch.isActive(now) ? now + SWITCH_SETTLE_MS : now;
    this.#await(now);
    this.#begunAt = now;
    this.#startedAt = NEVER;
    this.#gap = HANDSHAKE_GAP_MS;
  }

  /** A path was in use before, with a session: all is well there, as far as is known. */
  adopt(now: number): void {
    this.end();
    this.#wellAt = now;
  }

  /** Nothing is in use. */
  end(): void {
    this.#since = this.#begunAt = this.#wellAt = Number.POSITIVE_INFINITY;
  }

  /** Something is to be seen of WireGuard soon. */
  isHurried(now: number): boolean {
    return this.isWaiting && now - Math.max(this.#freshAt, this.#startedAt) < EVIDENCE_MS;
  }

  /**
   * WireGuard was looked at.
   * @param isHere - whether it sends on the path in use: what comes while it is elsewhere proves nothing about that
   * @returns whether it was now seen that its packets pass
   */
  look(now: number, isHere: boolean): boolean {
    if (!this.isWaiting) {
      // The one that was just started has its time first.
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

  /** Probes passed for long enough, and WireGuard's packets did not. The wait begins again. */
  takeFailure(now: number): boolean {
    if (now < this.#since + this.#evidenceMs) return false;
    this.#since = now;
    this.#received = this.#watch.received;
    return true;
  }

  /** Nothing comes: the peer is asked to send. */
  asks(now: number): boolean {
    return now >= this.#askAt(now);
  }

  /** @returns how WireGuard is to be made to send now, if it is */
  takeStart(now: number): { readonly isFresh: boolean } | undefined {
    if (now < this.#startAt(now)) return undefined;
    const isFresh = !this.#watch.hasSession(now);
    if (this.#startedAt !== NEVER) this.#gap = Math.min(HANDSHAKE_GAP_MAX_MS, this.#gap * 2);
    this.#start(now, isFresh);
    return { isFresh };
  }

  /** The peer asks. @returns how WireGuard is to be made to send, if it is */
  takeRequest(now: number): { readonly isFresh: boolean } | undefined {
    // It may be that it sends, and that nothing arrives here either: only we can tell.
    if (!this.isWaiting && now > this.#watch.dataAt + QUIET_ACTIVE_MS) this.#await(now);
    if (now < this.#startedAt + HANDSHAKE_GAP_MS || now < this.#helpedAt + this.#helpGap) return undefined;
    const isRepeated = now - this.#askedAt < ASKED_AGAIN_MS;
    // A first request may be for a keepalive that was lost; a second one says that the session is no more.
    const isFresh = !this.#watch.hasSession(now) || isRepeated;
    this.#helpGap = isRepeated ? Math.min(HANDSHAKE_GAP_MAX_MS, this.#helpGap * 2) : HANDSHAKE_GAP_MS;
    this.#askedAt = now;
    this.#helpedAt = now;
    this.#start(now, isFresh);
    return { isFresh };
  }

  /** The peer asks no more: it got what it wanted, and its next request is a first one again. */
  endRequest(): void {
    this.#askedAt = NEVER;
  }

  nextAt(now: number): number {
    return Math.min(this.#since + this.#evidenceMs, this.#askAt(now), this.#startAt(now));
  }

  get #isUnseen(): boolean {
    return this.#since !== Number.POSITIVE_INFINITY;
  }

  /** It was not seen yet that WireGuard's packets pass. */
  get isWaiting(): boolean {
    return this.#isUnseen || (this.#begunAt !== Number.POSITIVE_INFINITY && this.#startedAt === NEVER);
  }

  #await(now: number): void {
    this.#since = this.#freshAt = now;
    this.#received = this.#watch.received;
  }

  /** When it is too long since something came although data flows, which is always answered. */
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
