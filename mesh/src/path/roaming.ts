import { CORRECTION_GAP_MS, CORRECTIONS, FORGIVE_MS, ROAM_PATIENCE_MS, ROAM_SETTLE_MS } from "./constants.js";
import type { PathName } from "./facts.js";
import { isUsable, type Path } from "./path.js";

const NEVER = Number.NEGATIVE_INFINITY;
/** The maximum number of doublings of the gap between corrections, which gives about a minute. */
const MOST_DOUBLINGS = 5;

/** The endpoint that WireGuard went to, and the right one. */
export interface Roamed {
  readonly roamed: Path;
  readonly current: Path;
  /** Whether the decider uses `roamed`, and this host follows. */
  readonly isTold: boolean;
  /** Whether WireGuard has gone there already, and is not only expected to. */
  readonly isThere: boolean;
}

/**
 * WireGuard sends to the source of the last authentic packet. That source may be a path that works one way only, or one
 * that was just left. This class compares it with the path in use.
 */
export class Roaming {
  /** The endpoint that WireGuard went to by itself; undefined when it is at the right one. */
  to: PathName | undefined;
  #since = NEVER;
  #judgedAt = NEVER;
  #corrections = 0;
  #correctedAt = NEVER;

  /** Must be called when WireGuard is at the right endpoint. */
  settle(now: number): void {
    if (now - this.#correctedAt > FORGIVE_MS) this.#corrections = 0;
    this.to = undefined;
  }

  /**
   * Must be called when WireGuard uses another endpoint, or will soon because the peer sends from there.
   * @param toldAt - when WireGuard was last told where to send
   * @returns whether this is new
   */
  suspect(endpoint: PathName, toldAt: number, now: number): boolean {
    if (endpoint === this.to) return false;
    this.to = endpoint;
    this.#since = now;
    // The last command may not be done yet, and packets of the old path may still be on their way.
    this.#judgedAt = Math.max(now + ROAM_PATIENCE_MS, toldAt + ROAM_SETTLE_MS);
    return true;
  }

  /** What must be done about it, if it is time. */
  judge({ roamed, current, isTold, isThere }: Roamed, now: number): "accept" | "correct" | undefined {
    if (isTold && isUsable(roamed, now)) return "accept";
    // A path that the peer has left and does not consider working is useless here.
    const isDenied = current.viewAt > this.#since && current.view?.isProven === false;
    const isAlive = current.answeredAt > this.#since && !isDenied;
    const works = isUsable(roamed, now) && roamed.answeredAt > this.#since;
    if (now < this.#judgedAt) return undefined;
    if (works && !isAlive) return "accept";
    if (!isAlive || !isThere || now < this.#correctionAt) return undefined;
    // The peer's routes may send WireGuard's packets on another path than its probes, whatever this side does.
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
