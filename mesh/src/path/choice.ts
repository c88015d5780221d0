import {
  BETTER_MS,
  BETTER_SAMPLES,
  BETTER_SHARE,
  DWELL_MS,
  FOLLOW_GAP_MS,
  FOLLOWER_PATIENCE_MS,
  GIVE_WAY_MS,
  GOOD_ROUND_TRIP_MS,
  RECEIVED_HOLD_MS,
  SILENT_MS,
  SILENT_PROBES,
  WATCH_LAG_MS,
} from "./constants.js";
import { isPenalised, isSilent, isUsable, type Path, unansweredAt, viewOf } from "./path.js";
import { isRelayed, Tier } from "./tiers.js";

/** The path in use, and since when. */
export interface InUse {
  readonly path: Path;
  readonly since: number;
}

/** Chooses the path: the decider what is best, the follower what it is told. */
export class Chooser {
  readonly #isDecider: boolean;
  /** Since when there is a path to use, and none is used: the follower waits for the decider's word. */
  #usableSince: number | undefined;

  constructor(isDecider: boolean) {
    this.#isDecider = isDecider;
  }

  /** @returns the path to use now; undefined: no other than now */
  choose(inUse: InUse | undefined, paths: Iterable<Path>, now: number): Path | undefined {
    const all = [...paths];
    if (inUse !== undefined) this.#usableSince = undefined;
    return this.#isDecider ? choose(inUse, all, now) : this.#follow(inUse, all, now);
  }

  /** When the follower's patience ends. */
  get nextAt(): number {
    return (this.#usableSince ?? Number.POSITIVE_INFINITY) + FOLLOWER_PATIENCE_MS;
  }

  /** The follower takes what it is told, and what it finds itself only when it would have nothing. */
  #follow(inUse: InUse | undefined, paths: readonly Path[], now: number): Path | undefined {
    const told = toldOf(paths, now);
    const mayFollow = inUse === undefined || now >= inUse.since + FOLLOW_GAP_MS;
    if (mayFollow && told !== undefined && isUsable(told, now)) return told;
    const best = bestOf(paths, inUse?.path, now);
    if (inUse !== undefined) return givesWay(inUse, best, now) ? best : undefined;
    if (best === undefined) this.#usableSince = undefined;
    else this.#usableSince ??= now;
    return now < this.nextAt ? undefined : best;
  }
}

/** The decider takes the first path that is proven, and then a better one. */
function choose(inUse: InUse | undefined, paths: readonly Path[], now: number): Path | undefined {
  const best = bestOf(paths, inUse?.path, now);
  return inUse === undefined || givesWay(inUse, best, now) ? best : betterThan(inUse, paths, now);
}

/** The path in use is at fault; or it is silent, and another one was answered after that began. */
function givesWay(inUse: InUse, best: Path | undefined, now: number): boolean {
  if (faultOf(inUse, now) !== undefined) return true;
  const { path } = inUse;
  const since = path.unanswered[0] ?? now;
  return isSilent(path, now) && now >= since + GIVE_WAY_MS && (best?.answeredAt ?? since) > since;
}

/** What the decider uses, as it last said. */
export function toldOf(paths: Iterable<Path>, now: number): Path | undefined {
  let told: Path | undefined;
  for (const path of paths) {
    if (viewOf(path, now)?.isChosen && path.viewAt > (told?.viewAt ?? Number.NEGATIVE_INFINITY)) told = path;
  }
  return told;
}

/** When the path in use is given up, if nothing is heard until then: its probes, and WireGuard, are silent. */
export function deadAtOf(path: Path, receivedAt: number): number {
  const silentAt = unansweredAt(path, SILENT_PROBES);
  const since = path.unanswered[0] ?? Number.POSITIVE_INFINITY;
  const isHeld = receivedAt > since + WATCH_LAG_MS;
  return Math.max(silentAt, isHeld ? receivedAt + RECEIVED_HOLD_MS : since + SILENT_MS);
}

/** The best of the paths that are proven, but for the one in use. */
function bestOf(paths: Iterable<Path>, current: Path | undefined, now: number): Path | undefined {
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
function betterThan(inUse: InUse, paths: Iterable<Path>, now: number): Path | undefined {
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

/** Nothing better is to be expected. */
export function isGood({ tier, roundTripMs }: Path): boolean {
  if (tier === Tier.Lan || isRelayed(tier)) return tier === Tier.Lan;
  return roundTripMs !== undefined && roundTripMs <= GOOD_ROUND_TRIP_MS;
}
