import { RELAY_GRACE_MS, RELAY_WISH_GAP_MAX_MS, RELAY_WISH_GAP_MS } from "./constants.js";
import { isPenalised, type Path, unansweredAt } from "./path.js";

/**
 * Decides when a relay is wanted: no path is in use, or the one in use is in doubt, or it loses WireGuard's packets. A
 * direct path gets a little time first. In most cases it is ready within that time, and a change from relay to direct
 * path is saved.
 */
export class RelayWish {
  /** Since when no path is in use; undefined while one is. */
  #since: number | undefined;
  #graceMs = RELAY_GRACE_MS;
  #wishedAt = Number.NEGATIVE_INFINITY;
  #gapMs = RELAY_WISH_GAP_MS;

  /**
   * @param isHopeless - whether no direct path is possible
   * @returns whether a relay must be sought now
   */
  take(inUse: Path | undefined, isHopeless: boolean, now: number): boolean {
    if (inUse === undefined) this.#since ??= now;
    else {
      if (this.#since !== undefined) this.#gapMs = RELAY_WISH_GAP_MS;
      this.#since = undefined;
      // After a path has worked once, there is no wait for a direct one.
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
