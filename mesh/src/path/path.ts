import type { CandidateKind } from "../candidates/candidate.js";
import type { Endpoint } from "../ip/endpoint.js";
import {
  BURST_GAPS_MS,
  DWELL_MAX_MS,
  DWELL_MS,
  PENALTY_MAX_MS,
  PENALTY_MS,
  PROBE_GAP_MS,
  PROOF_MS,
  ROUND_TRIP_WEIGHT,
  SILENT_PROBES,
  TIMEOUT_MAX_MS,
  TIMEOUT_MIN_MS,
  TIMEOUT_ROUND_TRIPS,
  TRIGGERED_PROBES,
  VIEW_MS,
} from "./constants.js";
import type { PathName, View } from "./facts.js";
import type { Tier } from "./tiers.js";

const NEVER = Number.NEGATIVE_INFINITY;

/** One way to the peer, and what is known of it. Times are monotonic milliseconds. */
export interface Path {
  readonly name: PathName;
  readonly endpoint: Endpoint;
  /** How it was announced; undefined when it was only seen. */
  kind: CandidateKind | undefined;
  tier: Tier;
  /** Until when the announce that named it holds. */
  listedUntil: number;
  /** When the peer last sent from there. */
  seenAt: number;
  /** When our probe was last answered. */
  answeredAt: number;
  /** When the probes of before stopped counting: the network became another. */
  voidedAt: number;
  /** Smoothed, ms. */
  roundTripMs: number | undefined;
  /** How many round trips {@link roundTripMs} is made of. */
  samples: number;
  /** When the first probes since the last answer were sent; as many as it takes to call it silent. */
  readonly unanswered: number[];
  sentAt: number;
  /** When the next probe of a burst, or one back, is due; infinite when there is none. */
  dueAt: number;
  /** The next gap of the burst, and how many probes are left of it. */
  gap: number;
  left: number;
  /** Probes back that are left. */
  triggersLeft: number;
  /** What the peer said last of it. */
  view: View | undefined;
  viewAt: number;
  /** Since when the peer says that it is not proven; infinite when it does not say so. */
  deniedSince: number;
  /** Not to be taken before: WireGuard's packets did not pass, though probes did. */
  penalisedUntil: number;
  penalties: number;
  /** Not to be taken again before, unless nothing else works: it was in use and went silent. */
  heldUntil: number;
  drops: number;
}

export function createPath(name: PathName, endpoint: Endpoint, tier: Tier): Path {
  return {
    name,
    endpoint,
    kind: undefined,
    tier,
    listedUntil: NEVER,
    seenAt: NEVER,
    answeredAt: NEVER,
    voidedAt: NEVER,
    roundTripMs: undefined,
    samples: 0,
    unanswered: [],
    sentAt: NEVER,
    dueAt: Number.POSITIVE_INFINITY,
    gap: 0,
    left: 0,
    triggersLeft: TRIGGERED_PROBES,
    view: undefined,
    viewAt: NEVER,
    deniedSince: Number.POSITIVE_INFINITY,
    penalisedUntil: NEVER,
    penalties: 0,
    heldUntil: NEVER,
    drops: 0,
  };
}

/** Probes a path several times, beginning now. A burst that runs begins again. */
export function startBurst(path: Path, now: number, probes: number): void {
  path.gap = 0;
  path.left = probes;
  path.dueAt = now;
  path.triggersLeft = TRIGGERED_PROBES;
}

/** Probes a path once, as soon as may be. */
export function probeSoon(path: Path, now: number): void {
  path.dueAt = Math.min(path.dueAt, Math.max(now, path.sentAt + PROBE_GAP_MS));
}

/** The peer's probe came in on it: one goes back while it is not proven, since its hole in the NAT is open now. */
export function probeBack(path: Path, now: number): void {
  if (path.triggersLeft === 0) return;
  path.triggersLeft--;
  probeSoon(path, now);
}

/** A probe was sent: when is the next one of the burst? */
export function onSent(path: Path, now: number): void {
  path.sentAt = now;
  if (path.unanswered.length < SILENT_PROBES) path.unanswered.push(now);
  if (path.left > 0) path.left--;
  const gap = BURST_GAPS_MS[Math.min(path.gap++, BURST_GAPS_MS.length - 1)] ?? 0;
  path.dueAt = path.left > 0 ? now + gap : Number.POSITIVE_INFINITY;
}

export function onAnswered(path: Path, roundTripMs: number, now: number): void {
  // What was measured through another network says nothing of this one.
  if (path.answeredAt < path.voidedAt) path.samples = 0;
  path.answeredAt = now;
  path.unanswered.length = 0;
  path.left = 0;
  path.dueAt = Number.POSITIVE_INFINITY;
  const before = path.roundTripMs;
  const isFirst = before === undefined || path.samples === 0;
  path.roundTripMs = isFirst ? roundTripMs : before + (roundTripMs - before) * ROUND_TRIP_WEIGHT;
  path.samples++;
}

/** The network became another: what was found out through the one before, good or bad, says nothing. */
export function voidProof(path: Path, now: number): void {
  path.voidedAt = now;
  path.unanswered.length = 0;
  path.heldUntil = path.penalisedUntil = NEVER;
}

/** The peer says this of it. */
export function onView(path: Path, view: View, now: number): void {
  path.view = view;
  path.viewAt = now;
  path.deniedSince = view.isProven ? Number.POSITIVE_INFINITY : Math.min(path.deniedSince, now);
}

/** A probe is answered within this, ms, or it is not. */
export function timeoutOf({ roundTripMs }: Path): number {
  if (roundTripMs === undefined) return TIMEOUT_MAX_MS;
  return Math.min(TIMEOUT_MAX_MS, Math.max(TIMEOUT_MIN_MS, roundTripMs * TIMEOUT_ROUND_TRIPS));
}

/** When so many probes in a row will have been unanswered: infinite when they were not even sent. */
export function unansweredAt(path: Path, probes: number): number {
  const sentAt = path.unanswered[probes - 1];
  return sentAt === undefined ? Number.POSITIVE_INFINITY : sentAt + timeoutOf(path);
}

/** Several probes in a row are unanswered. */
export function isSilent(path: Path, now: number): boolean {
  return unansweredAt(path, SILENT_PROBES) <= now;
}

/** Our probes are answered on it: it works in both directions. */
export function isProven(path: Path, now: number): boolean {
  return path.answeredAt >= path.voidedAt && now - path.answeredAt <= PROOF_MS && !isSilent(path, now);
}

export function isPenalised(path: Path, now: number): boolean {
  return now < path.penalisedUntil;
}

/** May be taken: proven, and WireGuard's packets are not known to be lost on it. */
export function isUsable(path: Path, now: number): boolean {
  return isProven(path, now) && !isPenalised(path, now);
}

/** What the peer said of it lately. */
export function viewOf(path: Path, now: number): View | undefined {
  return now - path.viewAt <= VIEW_MS ? path.view : undefined;
}

/** WireGuard's packets were lost on it, though probes passed. */
export function penalise(path: Path, now: number): void {
  path.penalisedUntil = now + Math.min(PENALTY_MAX_MS, PENALTY_MS * 2 ** path.penalties);
  path.penalties++;
}

/** WireGuard's packets pass. */
export function absolve(path: Path): void {
  path.penalisedUntil = NEVER;
  path.penalties = 0;
}

/** It was in use and went silent. */
export function hold(path: Path, now: number): void {
  path.heldUntil = now + Math.min(DWELL_MAX_MS, DWELL_MS * 2 ** path.drops);
  path.drops++;
}
