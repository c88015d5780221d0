import {
  ASK_WITH_SESSION_MS,
  ASK_WITHOUT_SESSION_MS,
  ASKED_AGAIN_MS,
  EVIDENCE_MS,
  HANDSHAKE_GAP_MAX_MS,
  HANDSHAKE_GAP_MS,
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

  /** A path is in use from now on, and nothing came out of WireGuard on it yet. */
  begin(now: number): void {
    this.#since = now;
    this.#begunAt = now;
    this.#received = this.#watch.received;
    this.#startedAt = NEVER;
    this.#gap = HANDSHAKE_GAP_MS;
  }

  /** Nothing is in use, or it was in use before. */
  end(): void {
    this.#since = Number.POSITIVE_INFINITY;
    this.#begunAt = Number.POSITIVE_INFINITY;
  }

  /** Something is still to be seen of WireGuard. */
  get isWaiting(): boolean {
    return this.#isUnseen || (this.#begunAt !== Number.POSITIVE_INFINITY && this.#startedAt === NEVER);
  }

  /** WireGuard was looked at. @returns whether it was now seen that its packets pass */
  look(now: number): boolean {
    const hasSession = this.#watch.hasSession(now);
    if (!this.isWaiting) {
      if (!hasSession) this.begin(now);
      return false;
    }
    if (!this.#isUnseen || !hasSession || !isData(this.#watch.received - this.#received)) return false;
    this.#since = Number.POSITIVE_INFINITY;
    this.#helpGap = HANDSHAKE_GAP_MS;
    return true;
  }

  /** Probes passed for long enough, and WireGuard's packets did not. The wait begins again. */
  takeFailure(now: number): boolean {
    if (now < this.#since + EVIDENCE_MS) return false;
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

  nextAt(now: number): number {
    return Math.min(this.#since + EVIDENCE_MS, this.#askAt(now), this.#startAt(now));
  }

  get #isUnseen(): boolean {
    return this.#since !== Number.POSITIVE_INFINITY;
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
