import { BETTER_MS, BETTER_SAMPLES, BETTER_SHARE, DWELL_MS, SILENT_MS } from "./constants.js";
import { isPenalised, isSilent, isUsable, type Path, viewOf } from "./path.js";

/** The path in use, and since when. */
export interface InUse {
  readonly path: Path;
  readonly since: number;
}

/** The best of the paths that are proven, but for the one in use. */
export function bestOf(paths: Iterable<Path>, current: Path | undefined, now: number): Path | undefined {
  let best: Path | undefined;
  for (const path of paths) {
    if (path !== current && isUsable(path, now) && (best === undefined || compare(path, best) < 0))
      best = path;
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

/** Why the path in use gives way to any other that is proven, at once. */
export type Fault = "silent" | "filtered";

/**
 * What is wrong with the path in use: it is silent; or WireGuard's packets are lost on it, as we see it, or as the peer
 * says, which had long enough to prove it. What WireGuard receives does not save it: that may have come one way.
 */
export function faultOf({ path, since }: InUse, now: number): Fault | undefined {
  if (isPenalised(path, now)) return "filtered";
  if (isSilent(path, now)) {
    // After a change of the network, probes in quick succession are enough.
    const isLong = path.answeredAt < path.voidedAt || now >= (path.unanswered[0] ?? now) + SILENT_MS;
    return isLong ? "silent" : undefined;
  }
  return path.viewAt - Math.max(path.deniedSince, since) > SILENT_MS ? "filtered" : undefined;
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
