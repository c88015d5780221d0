import { BETTER_MS, BETTER_SAMPLES, BETTER_SHARE, DWELL_MS, SILENT_MS } from "./constants.js";
import { isSilent, isUsable, type Path, viewOf } from "./path.js";

/** The path in use, and since when. */
export interface InUse {
  readonly path: Path;
  readonly since: number;
}

/** The best of the paths that are proven, whatever is in use. */
export function bestOf(paths: Iterable<Path>, now: number): Path | undefined {
  let best: Path | undefined;
  for (const path of paths) {
    if (isUsable(path, now) && (best === undefined || compare(path, best) < 0)) best = path;
  }
  return best;
}

/**
 * A path to change to although the one in use works: proven from both sides, of a better tier or much faster. A better
 * tier need not wait for the dwell, since it cannot alternate: one that fell silent in use is held back for longer each
 * time.
 */
export function betterThan(inUse: InUse, paths: Iterable<Path>, now: number): Path | undefined {
  const { path: current, since } = inUse;
  let best: Path | undefined;
  for (const path of paths) {
    if (path === current || !isUsable(path, now) || now < path.heldUntil) continue;
    if (viewOf(path, now)?.isProven !== true) continue;
    const isBetter = path.tier < current.tier || (isMuchFaster(path, current) && now - since >= DWELL_MS);
    if (isBetter && (best === undefined || compare(path, best) < 0)) best = path;
  }
  return best;
}

/**
 * The path in use is in such a state that another one that is proven is taken at once: it is silent, or WireGuard's
 * packets are lost on it, or the peer, which had long enough to prove it, says that it does not work. What WireGuard
 * receives does not save it: that may have come one way.
 */
export function isUnfit({ path, since }: InUse, now: number): boolean {
  if (now < path.penalisedUntil) return true;
  if (isSilent(path, now)) {
    // After a change of the network, probes in quick succession are enough.
    return path.answeredAt < path.voidedAt || now >= (path.unanswered[0] ?? now) + SILENT_MS;
  }
  return viewOf(path, now)?.isProven === false && path.viewAt - since > SILENT_MS;
}

function isMuchFaster(path: Path, current: Path): boolean {
  if (path.tier !== current.tier || path.samples < BETTER_SAMPLES) return false;
  const [ms, currentMs] = [path.roundTripMs, current.roundTripMs];
  if (ms === undefined || currentMs === undefined) return false;
  return ms < currentMs * BETTER_SHARE && ms < currentMs - BETTER_MS;
}

function compare(a: Path, b: Path): number {
  return a.tier - b.tier || (a.roundTripMs ?? Infinity) - (b.roundTripMs ?? Infinity);
}
