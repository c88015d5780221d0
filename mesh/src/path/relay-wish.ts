import { RELAY_GRACE_MS, RELAY_WISH_GAP_MAX_MS, RELAY_WISH_GAP_MS } from "./constants.js";
import { isPenalised, type Path, unansweredAt } from "./path.js";

/**
 * When a relay is wanted: no path is in use, or the one in use is in doubt, or lets probes pass and loses WireGuard's
 * packets. A direct path gets a little time before, since it mostly comes in less, and a change from one path to the
 * other would be for nothing.
 */
export class RelayWish {
  /** Since when no path is in use; undefined while one is. */
  #since: number | undefined;
  #graceMs = RELAY_GRACE_MS;
  #wishedAt = Number.NEGATIVE_INFINITY;
  #gapMs = RELAY_WISH_GAP_MS;

  /**
   * @param isHopeless - no direct path is possible
   * @returns whether a relay is to be sought now
   */
  take(inUse: Path | undefined, isHopeless: boolean, now: number): boolean {
    if (inUse === undefined) this.#since ??= now;
    else {
      if (this.#since !== undefined) this.#gapMs = RELAY_WISH_GAP_MS;
      this.#since = undefined;
      // What worked once is not waited for.
      this.#graceMs = 0;
    }
    if (isHopeless) this.#graceMs = 0;
    if (now < this.nextAt(inUse, now)) return false;
    this.#wishedAt = now;
    this.#gapMs = inUse === undefined ? Math.min(RELAY_WISH_GAP_MAX_MS, this.#gapMs * 2) : RELAY_WISH_GAP_MS;
    return true;
  }

  nextAt(inUse: Path | undefined, now: number): number {
    return Math.max(this.#wantedAt(inUse, now), this.#wishedAt + this.#gapMs);
  }

  #wantedAt(inUse: Path | undefined, now: number): number {
    if (inUse === undefined) return (this.#since ?? Number.POSITIVE_INFINITY) + this.#graceMs;
    return isPenalised(inUse, now) ? now : unansweredAt(inUse, 1);
  }
}
