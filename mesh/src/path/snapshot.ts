import type { PathKind, PeerState } from "../info.js";
import type { InUse } from "./choice.js";
import { SEEN_MS } from "./constants.js";
import type { PathName } from "./facts.js";
import { isProven, isUsable, type Path } from "./path.js";
import { reasonFor, type Situation } from "./reason.js";
import { isRelayed, kindOf } from "./tiers.js";

/** One path, for people. */
export interface PathSnapshot {
  readonly name: PathName;
  readonly kind: PathKind;
  /** Smoothed, in ms. */
  readonly roundTripMs: number | undefined;
  readonly isProven: boolean;
}

/** A machine, for people. */
export interface Snapshot {
  readonly state: PeerState;
  /** The path in use, and the time since when; monotonic ms. */
  readonly path: (PathSnapshot & { readonly sinceMs: number }) | undefined;
  /** All other known paths. */
  readonly others: readonly PathSnapshot[];
  /** Why the machine is in this state, in one sentence. */
  readonly reason: string;
}

/** Everything that a machine knows. */
export interface Known extends Pick<Situation, "isFiltered" | "ownNat" | "peerNat"> {
  readonly paths: readonly Path[];
  readonly inUse: InUse | undefined;
  /** Whether a path has ever worked. */
  readonly hasMet: boolean;
}

/** Describes a machine for people. */
export function describe(known: Known, now: number): Snapshot {
  const { paths, inUse } = known;
  return {
    ...headlineOf(known, now),
    path: inUse && { ...snapshotOf(inUse.path, now), sinceMs: inUse.since },
    others: paths.filter((path) => path !== inUse?.path).map((path) => snapshotOf(path, now)),
  };
}

/** The state, and its reason. */
export function headlineOf(known: Known, now: number): Pick<Snapshot, "state" | "reason"> {
  const { paths } = known;
  const state = stateOf(known);
  const isProven = paths.some((path) => isUsable(path, now));
  const isHeard = paths.some((path) => now - path.viewAt <= SEEN_MS);
  return { state, reason: reasonFor({ ...known, state, candidates: paths.length, isProven, isHeard }) };
}

function stateOf({ paths, inUse, hasMet }: Known): PeerState {
  if (inUse !== undefined) return isRelayed(inUse.path.tier) ? "relayed" : "direct";
  if (hasMet) return "lost";
  return paths.length > 0 ? "probing" : "unmet";
}

function snapshotOf(path: Path, now: number): PathSnapshot {
  return {
    name: path.name,
    kind: kindOf(path.tier, path.endpoint),
    roundTripMs: path.roundTripMs,
    isProven: isProven(path, now),
  };
}
