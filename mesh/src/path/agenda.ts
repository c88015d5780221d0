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
 * When a machine does something that nobody caused: rounds of bursts and announces while no path works, searches for a
 * better one while one does. Times are monotonic milliseconds.
 */
export class Agenda {
  readonly #random: () => number;
  readonly #announces = new Bucket(ANNOUNCE_PER_SECOND, ANNOUNCE_BURST);
  /** Own news have a bucket of their own: what the peer has made us say before is not to delay them. */
  readonly #news = new Bucket(NEWS_PER_SECOND, NEWS_BURST);
  /** Rounds since a path worked or something changed. */
  rounds = 0;
  #announced = 0;
  #isHurried = false;
  #roundAt = NEVER;
  #announceAt = NEVER;
  #seekAt = NEVER;
  /** Searches for a better path since this one is in use. */
  #seeks = 0;
  /** Something happened that the peer should know of. */
  #isAnnounceWanted = false;
  /** This host has moved, or may be reached elsewhere. */
  #hasNews = false;

  /** @param random - from 0 to below 1 */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** No path works any more: the peer is told, and all begins again. */
  hunt(now: number): void {
    this.restart(now);
    this.wantAnnounce();
  }

  /** The rounds and announces begin again, with a round now. */
  restart(now: number): void {
    this.rounds = 0;
    this.#announced = 0;
    this.#roundAt = now;
    this.#announceAt = now + this.#jittered(ANNOUNCES_MS[0] ?? 0);
    this.#seekAt = NEVER;
  }

  /** A round now, beside those that are planned. */
  hurry(): void {
    this.#isHurried = true;
  }

  /**
   * A path works: nothing is hunted, but a better one is sought from time to time.
   * @param isRelayed - a better one is wanted: it is sought more often at first
   */
  rest(now: number, isRelayed: boolean): void {
    this.rounds = 0;
    this.#seeks = isRelayed ? 0 : ROUNDS_MS.length;
    this.#roundAt = NEVER;
    this.#announceAt = NEVER;
    this.#seekAt = now + this.#seekGap();
  }

  /** A better path is sought at this time, if not before. */
  seekBy(at: number): void {
    this.#seekAt = Math.min(this.#seekAt, at);
  }

  wantAnnounce(): void {
    this.#isAnnounceWanted = true;
  }

  /** This host has something new to say of itself. */
  wantNews(): void {
    this.#hasNews = true;
  }

  /** @returns whether a round is due, and has begun now */
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
    // Each announce says all that there is to say.
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
