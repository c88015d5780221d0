import type { PathKind, PeerState } from "../info.js";
import type { PathName } from "./facts.js";
import { isProven, type Path } from "./path.js";
import { kindOf } from "./tiers.js";

/** One path, for people. */
export interface PathSnapshot {
  readonly name: PathName;
  readonly kind: PathKind;
  /** Smoothed, ms. */
  readonly roundTripMs: number | undefined;
  readonly isProven: boolean;
}

/** A machine, for people. */
export interface Snapshot {
  readonly state: PeerState;
  /** The path in use, and since when, monotonic ms. */
  readonly path: (PathSnapshot & { readonly sinceMs: number }) | undefined;
  /** All others that are known. */
  readonly others: readonly PathSnapshot[];
  /** Why it is in this state: one sentence. */
  readonly reason: string;
}

/** What people are told of a path. */
export function snapshotOf(path: Path, now: number): PathSnapshot {
  return {
    name: path.name,
    kind: kindOf(path.tier, path.endpoint),
    roundTripMs: path.roundTripMs,
    isProven: isProven(path, now),
  };
}
