import { CORRECTION_GAP_MS, CORRECTIONS, FORGIVE_MS, ROAM_PATIENCE_MS, ROAM_SETTLE_MS } from "./constants.js";
import type { PathName } from "./facts.js";
import { isUsable, type Path } from "./path.js";

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * WireGuard sends to where the last authentic packet came from, which may be a path that works one way only, or one
 * that was just left. Where it went is compared with where it should be.
 */
export class Roaming {
  /** Where it went by itself; undefined when it is where it should be. */
  to: PathName | undefined;
  #since = NEVER;
  #corrections = 0;
  #correctedAt = NEVER;

  /**
   * WireGuard was looked at.
   * @param chosenAt - when it was last told where to send
   * @returns whether it has gone somewhere else than was known
   */
  look(
    endpoint: PathName | undefined,
    current: PathName | undefined,
    chosenAt: number,
    now: number,
  ): boolean {
    if (endpoint === undefined || endpoint === current) {
      if (now - this.#correctedAt > FORGIVE_MS) this.#corrections = 0;
      this.to = undefined;
      return false;
    }
    // What was told may not have been done yet, and packets of the old path may still be on their way.
    if (now - chosenAt < ROAM_SETTLE_MS || endpoint === this.to) return false;
    this.to = endpoint;
    this.#since = now;
    return true;
  }

  /** @param isTold - the decider uses `roamed`, and we follow */
  judge(roamed: Path, current: Path, isTold: boolean, now: number): "accept" | "correct" | undefined {
    if (isTold && isUsable(roamed, now)) return "accept";
    const isAlive = current.answeredAt > this.#since;
    const works = isUsable(roamed, now) && roamed.answeredAt > this.#since;
    if (works && !isAlive) return now >= this.#since + ROAM_PATIENCE_MS ? "accept" : undefined;
    if (!isAlive || now < this.#correctedAt + CORRECTION_GAP_MS * 2 ** Math.min(5, this.#corrections))
      return undefined;
    // The peer's routes may send WireGuard's packets by another way than its probes, whatever we want.
    if (works && this.#corrections >= CORRECTIONS) return "accept";
    this.#corrections++;
    this.#correctedAt = now;
    this.to = undefined;
    return "correct";
  }

  nextAt(): number {
    if (this.to === undefined) return Number.POSITIVE_INFINITY;
    const correctionAt = this.#correctedAt + CORRECTION_GAP_MS * 2 ** Math.min(5, this.#corrections);
    return Math.max(this.#since + ROAM_PATIENCE_MS, correctionAt);
  }
}
