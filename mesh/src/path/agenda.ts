import { Bucket } from "./budget.js";
import {
  ANNOUNCE_BURST,
  ANNOUNCE_LATER_MS,
  ANNOUNCE_PER_SECOND,
  ANNOUNCES_MS,
  BLOCKED_ROUND_MS,
  BLOCKED_ROUNDS,
  JITTER,
  NEWS_BURST,
  NEWS_PER_SECOND,
  ROUNDS_MS,
  SEEK_MS,
} from "./constants.js";

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Decides when a machine acts without an event: rounds of bursts and announces while no path works, and searches for a
 * better path while one works. All times are monotonic milliseconds.
 */
export class Agenda {
  readonly #random: () => number;
  readonly #announces = new Bucket(ANNOUNCE_PER_SECOND, ANNOUNCE_BURST);
  /**
   * The budget for news of this host. The budget is separate from that of the other announces, so that announces that
   * the peer has caused do not delay the news.
   */
  readonly #news = new Bucket(NEWS_PER_SECOND, NEWS_BURST);
  /** The number of rounds since a path worked or something changed. */
  rounds = 0;
  #announced = 0;
  #isHurried = false;
  #roundAt = NEVER;
  #announceAt = NEVER;
  #seekAt = NEVER;
  /** The number of searches for a better path since the current path is in use. */
  #seeks = 0;
  /** Whether something happened that the peer should know. */
  #isAnnounceWanted = false;
  /** Whether this host has moved, or has new candidates. */
  #hasNews = false;

  /** @param random - returns a number from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Must be called when no path works any more. The peer is told, and everything starts again. */
  hunt(now: number): void {
    this.restart(now);
    this.wantAnnounce();
  }

  /** Restarts the rounds and announces, with a round now. */
  restart(now: number): void {
    this.rounds = 0;
    this.#announced = 0;
    this.#roundAt = now;
    this.#announceAt = now + this.#jittered(ANNOUNCES_MS[0] ?? 0);
    this.#seekAt = NEVER;
  }

  /** Adds a round now. The planned rounds stay. */
  hurry(): void {
    this.#isHurried = true;
  }

  /**
   * Must be called when a path works. The rounds stop, but a better path is sought from time to time.
   * @param isRelayed - whether the path is relayed; then a better one is sought more often at first
   */
  rest(now: number, isRelayed: boolean): void {
    this.rounds = 0;
    this.#seeks = isRelayed ? 0 : ROUNDS_MS.length;
    this.#roundAt = NEVER;
    this.#announceAt = NEVER;
    this.#seekAt = now + this.#seekGap();
  }

  /** Makes the next search for a better path start at this time or earlier. */
  seekBy(at: number): void {
    this.#seekAt = Math.min(this.#seekAt, at);
  }

  wantAnnounce(): void {
    this.#isAnnounceWanted = true;
  }

  /** Must be called when this host has news for the peer. */
  wantNews(): void {
    this.#hasNews = true;
  }

  /** @returns whether a round is due; if so, it begins now */
  takeRound(now: number, isBlocked: boolean): boolean {
    if (this.#isHurried) {
      this.#isHurried = false;
      return true;
    }
    if (now < this.#roundAt) return false;
    const gap = ROUNDS_MS[Math.min(this.rounds, ROUNDS_MS.length - 1)] ?? 0;
    this.rounds++;
    this.#roundAt = now + this.#jittered(isBlocked && this.rounds >= BLOCKED_ROUNDS ? BLOCKED_ROUND_MS : gap);
    return true;
  }

  takeSeek(now: number): boolean {
    if (now < this.#seekAt) return false;
    this.#seekAt = now + this.#seekGap();
    return true;
  }

  takeAnnounce(now: number): boolean {
    if (now >= this.#announceAt) {
      this.#announceAt = now + this.#jittered(ANNOUNCES_MS[++this.#announced] ?? ANNOUNCE_LATER_MS);
      this.#isAnnounceWanted = true;
    }
    const isDue =
      (this.#hasNews && this.#news.take(now)) || (this.#isAnnounceWanted && this.#announces.take(now));
    // One announce contains all the news, so both wishes are fulfilled.
    if (isDue) this.#hasNews = this.#isAnnounceWanted = false;
    return isDue;
  }

  nextAt(now: number): number {
    const wanted = this.#isAnnounceWanted ? this.#announces.readyAt(now) : NEVER;
    const news = this.#hasNews ? this.#news.readyAt(now) : NEVER;
    return Math.min(this.#roundAt, this.#announceAt, this.#seekAt, wanted, news);
  }

  #seekGap(): number {
    return this.#jittered(ROUNDS_MS[this.#seeks++] ?? SEEK_MS);
  }

  #jittered(ms: number): number {
    return ms * (1 - JITTER * this.#random());
  }
}
