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

/** The path in use, and the time when its use began. */
export interface InUse {
  readonly path: Path;
  readonly since: number;
}

/** Chooses the path. The decider takes the best one. The follower takes the one that it is told. */
export class Chooser {
  readonly #isDecider: boolean;
  /** Since when the follower has a usable path but uses none, because it waits for the decider's word. */
  #usableSince: number | undefined;

  constructor(isDecider: boolean) {
    this.#isDecider = isDecider;
  }

  /** @returns the path to use now; undefined for no change */
  choose(inUse: InUse | undefined, paths: Iterable<Path>, now: number): Path | undefined {
    const all = [...paths];
    if (inUse !== undefined) this.#usableSince = undefined;
    return this.#isDecider ? choose(inUse, all, now) : this.#follow(inUse, all, now);
  }

  /** When the follower's patience ends. */
  get nextAt(): number {
    return (this.#usableSince ?? Number.POSITIVE_INFINITY) + FOLLOWER_PATIENCE_MS;
  }

  /**
   * The follower takes the path that it is told. It only takes a path that it found itself when it would have none
   * otherwise.
   */
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

/** The decider takes the first proven path, and later a better one. */
function choose(inUse: InUse | undefined, paths: readonly Path[], now: number): Path | undefined {
  const best = bestOf(paths, inUse?.path, now);
  return inUse === undefined || givesWay(inUse, best, now) ? best : betterThan(inUse, paths, now);
}

/** Whether the path in use must give way: it has a fault, or it is silent and another path was answered since then. */
function givesWay(inUse: InUse, best: Path | undefined, now: number): boolean {
  if (faultOf(inUse, now) !== undefined) return true;
  const { path } = inUse;
  const since = path.unanswered[0] ?? now;
  return isSilent(path, now) && now >= since + GIVE_WAY_MS && (best?.answeredAt ?? since) > since;
}

/** The path that the decider uses, according to its last probes. */
export function toldOf(paths: Iterable<Path>, now: number): Path | undefined {
  let told: Path | undefined;
  for (const path of paths) {
    if (viewOf(path, now)?.isChosen && path.viewAt > (told?.viewAt ?? Number.NEGATIVE_INFINITY)) told = path;
  }
  return told;
}

/** When the path in use is given up if nothing is heard until then: neither its probes nor WireGuard. */
export function deadAtOf(path: Path, receivedAt: number): number {
  const silentAt = unansweredAt(path, SILENT_PROBES);
  const since = path.unanswered[0] ?? Number.POSITIVE_INFINITY;
  const isHeld = receivedAt > since + WATCH_LAG_MS;
  return Math.max(silentAt, isHeld ? receivedAt + RECEIVED_HOLD_MS : since + SILENT_MS);
}

/** The best proven path, apart from the one in use. */
function bestOf(paths: Iterable<Path>, current: Path | undefined, now: number): Path | undefined {
  let best: Path | undefined;
  for (const path of paths) {
    if (path !== current && isUsable(path, now) && (best === undefined || compare(path, best) < 0))
      best = path;
  }
  return best;
}

/**
 * A path to change to although the one in use works: proven from both sides, and of a better tier or much faster. A
 * better tier need not wait for the dwell time, because such changes cannot alternate: a path that fell silent in use
 * is held back longer each time.
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

/** The faults for which the path in use gives way to any other proven path at once. */
export type Fault = "silent" | "filtered";

/**
 * The fault of the path in use: it is silent, or WireGuard's packets are lost on it. The loss was seen here, or the
 * peer reports it after having had enough time to prove the path. Bytes that WireGuard receives do not prove the path,
 * because they may come one way only.
 */
export function faultOf({ path, since }: InUse, now: number): Fault | undefined {
  if (isPenalised(path, now)) return "filtered";
  if (isSilent(path, now)) {
    // After a change of the network, a few quick probes are enough.
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

/** Whether no better path of the same tier can be expected. */
export function isGood({ tier, roundTripMs }: Path): boolean {
  if (tier === Tier.Lan || isRelayed(tier)) return tier === Tier.Lan;
  return roundTripMs !== undefined && roundTripMs <= GOOD_ROUND_TRIP_MS;
}
