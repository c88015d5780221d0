import { CORRECTION_GAP_MS, CORRECTIONS, FORGIVE_MS, ROAM_PATIENCE_MS, ROAM_SETTLE_MS } from "./constants.js";
import type { PathName } from "./facts.js";
import { isUsable, type Path } from "./path.js";

const NEVER = Number.NEGATIVE_INFINITY;
/** Of the gap between corrections: up to about a minute. */
const MOST_DOUBLINGS = 5;

/** Where WireGuard went, and where it should be. */
export interface Roamed {
  readonly roamed: Path;
  readonly current: Path;
  /** The decider uses `roamed`, and we follow. */
  readonly isTold: boolean;
  /** It has gone there, and is not only expected to. */
  readonly isThere: boolean;
}

/**
 * WireGuard sends to where the last authentic packet came from, which may be a path that works one way only, or one
 * that was just left. Where it went is compared with where it should be.
 */
export class Roaming {
  /** Where it went by itself; undefined when it is where it should be. */
  to: PathName | undefined;
  #since = NEVER;
  #judgedAt = NEVER;
  #corrections = 0;
  #correctedAt = NEVER;

  /** WireGuard is where it should be. */
  settle(now: number): void {
    if (now - this.#correctedAt > FORGIVE_MS) this.#corrections = 0;
    this.to = undefined;
  }

  /**
   * WireGuard is somewhere else, or will be soon, since the peer says that it sends from there.
   * @param toldAt - when WireGuard was last told where to send
   * @returns whether that was not known
   */
  suspect(endpoint: PathName, toldAt: number, now: number): boolean {
    if (endpoint === this.to) return false;
    this.to = endpoint;
    this.#since = now;
    // What was told may not have been done yet, and packets of the old path may still be on their way.
    this.#judgedAt = Math.max(now + ROAM_PATIENCE_MS, toldAt + ROAM_SETTLE_MS);
    return true;
  }

  /** What is to be done about it, if it is time. */
  judge({ roamed, current, isTold, isThere }: Roamed, now: number): "accept" | "correct" | undefined {
    if (isTold && isUsable(roamed, now)) return "accept";
    // What the peer left and does not think to work is of no use to us.
    const isDenied = current.viewAt > this.#since && current.view?.isProven === false;
    const isAlive = current.answeredAt > this.#since && !isDenied;
    const works = isUsable(roamed, now) && roamed.answeredAt > this.#since;
    if (now < this.#judgedAt) return undefined;
    if (works && !isAlive) return "accept";
    if (!isAlive || !isThere || now < this.#correctionAt) return undefined;
    // The peer's routes may send WireGuard's packets by another way than its probes, whatever we want.
    if (works && this.#corrections >= CORRECTIONS) return "accept";
    this.#corrections++;
    this.#correctedAt = now;
    this.to = undefined;
    return "correct";
  }

  nextAt(): number {
    if (this.to === undefined) return Number.POSITIVE_INFINITY;
    return Math.max(this.#judgedAt, this.#correctionAt);
  }

  get #correctionAt(): number {
    return this.#correctedAt + CORRECTION_GAP_MS * 2 ** Math.min(MOST_DOUBLINGS, this.#corrections);
  }
}
