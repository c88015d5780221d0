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

/** One path to the peer, and what is known about it. All times are monotonic milliseconds. */
export interface Path {
  readonly name: PathName;
  readonly endpoint: Endpoint;
  /** The kind in the announce; undefined when the path was only seen. */
  kind: CandidateKind | undefined;
  tier: Tier;
  /** Until when the announce of this path is valid. */
  listedUntil: number;
  /** When the peer last sent from there. */
  seenAt: number;
  /** When an own probe was last answered. */
  answeredAt: number;
  /** When earlier probes became invalid, because the network changed. */
  voidedAt: number;
  /** Smoothed, in ms. */
  roundTripMs: number | undefined;
  /** The number of round trips in {@link roundTripMs}. */
  samples: number;
  /** The times of the first probes since the last answer, as many as are needed to call the path silent. */
  readonly unanswered: number[];
  sentAt: number;
  /** When the next probe of a burst, or one sent back, is due; Infinity when none is. */
  dueAt: number;
  /** The index of the next gap of the burst, and the number of its remaining probes. */
  gap: number;
  left: number;
  /** The remaining number of probes to send back. */
  triggersLeft: number;
  /** The peer's last view of the path. */
  view: View | undefined;
  viewAt: number;
  /** Since when the peer says that the path is not proven; Infinity when it does not say so. */
  deniedSince: number;
  /** The path is avoided until this time, because WireGuard's packets did not pass although probes did. */
  penalisedUntil: number;
  penalties: number;
  /** The path is not taken again before this time, unless nothing else works, because it fell silent in use. */
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

/** Starts a burst of probes now. A running burst starts again. */
export function startBurst(path: Path, now: number, probes: number): void {
  path.gap = 0;
  path.left = probes;
  path.dueAt = now;
  path.triggersLeft = TRIGGERED_PROBES;
}

/** Probes a path once, as soon as allowed. */
export function probeSoon(path: Path, now: number): void {
  path.dueAt = Math.min(path.dueAt, Math.max(now, path.sentAt + PROBE_GAP_MS));
}

/**
 * A probe of the peer came in. While the path is not proven, one probe is sent back, because the peer's NAT is open
 * now.
 */
export function probeBack(path: Path, now: number): void {
  if (path.triggersLeft === 0) return;
  path.triggersLeft--;
  probeSoon(path, now);
}

/** Notes that a probe was sent, and sets the time of the next one. */
export function onSent(path: Path, now: number): void {
  path.sentAt = now;
  if (path.unanswered.length < SILENT_PROBES) path.unanswered.push(now);
  if (path.left > 0) path.left--;
  const gap = BURST_GAPS_MS[Math.min(path.gap++, BURST_GAPS_MS.length - 1)] ?? 0;
  path.dueAt = path.left > 0 ? now + gap : Number.POSITIVE_INFINITY;
}

export function onAnswered(path: Path, roundTripMs: number, now: number): void {
  // Measurements from another network say nothing about this one.
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

/** Makes all earlier results invalid, because the network has changed. */
export function voidProof(path: Path, now: number): void {
  path.voidedAt = now;
  path.unanswered.length = 0;
  path.heldUntil = path.penalisedUntil = NEVER;
}

/** Sets the peer's view of the path. */
export function onView(path: Path, view: View, now: number): void {
  path.view = view;
  path.viewAt = now;
  path.deniedSince = view.isProven ? Number.POSITIVE_INFINITY : Math.min(path.deniedSince, now);
}

/** How long an answer may take, in ms. */
export function timeoutOf({ roundTripMs }: Path): number {
  if (roundTripMs === undefined) return TIMEOUT_MAX_MS;
  return Math.min(TIMEOUT_MAX_MS, Math.max(TIMEOUT_MIN_MS, roundTripMs * TIMEOUT_ROUND_TRIPS));
}

/** When `probes` probes in a row are unanswered; Infinity when fewer were sent. */
export function unansweredAt(path: Path, probes: number): number {
  const sentAt = path.unanswered[probes - 1];
  return sentAt === undefined ? Number.POSITIVE_INFINITY : sentAt + timeoutOf(path);
}

/** Whether several probes in a row are unanswered. */
export function isSilent(path: Path, now: number): boolean {
  return unansweredAt(path, SILENT_PROBES) <= now;
}

/** Whether own probes are answered on the path, so that it works in both directions. */
export function isProven(path: Path, now: number): boolean {
  return path.answeredAt >= path.voidedAt && now - path.answeredAt <= PROOF_MS && !isSilent(path, now);
}

export function isPenalised(path: Path, now: number): boolean {
  return now < path.penalisedUntil;
}

/** Whether the path may be taken: it is proven, and is not known to lose WireGuard's packets. */
export function isUsable(path: Path, now: number): boolean {
  return isProven(path, now) && !isPenalised(path, now);
}

/** The peer's view of the path, if it is recent. */
export function viewOf(path: Path, now: number): View | undefined {
  return now - path.viewAt <= VIEW_MS ? path.view : undefined;
}

/** Must be called when WireGuard's packets were lost although probes passed. */
export function penalise(path: Path, now: number): void {
  path.penalisedUntil = now + Math.min(PENALTY_MAX_MS, PENALTY_MS * 2 ** path.penalties);
  path.penalties++;
}

/** Must be called when WireGuard's packets pass. */
export function absolve(path: Path): void {
  path.penalisedUntil = NEVER;
  path.penalties = 0;
}

/** Must be called when the path fell silent in use. */
export function hold(path: Path, now: number): void {
  path.heldUntil = now + Math.min(DWELL_MAX_MS, DWELL_MS * 2 ** path.drops);
  path.drops++;
}
