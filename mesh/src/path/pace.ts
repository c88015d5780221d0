import { ACTIVE_PROBE_MS, ASK_PROBE_MS, DOUBT_PROBE_MS, IDLE_PROBE_MS, SILENT_MS } from "./constants.js";
import { isSilent, type Path } from "./path.js";

/** The reasons for probing the path in use. */
export interface Pace {
  /** Whether data flows. */
  readonly isActive: boolean;
  /** Whether the probes ask the peer for a handshake. */
  readonly isAsking: boolean;
}

/** The time between two probes of the path in use, in ms. */
export function intervalOf(path: Path, { isActive, isAsking }: Pace, now: number): number {
  const usual = isActive ? ACTIVE_PROBE_MS : IDLE_PROBE_MS;
  const [since] = path.unanswered;
  if (since === undefined) return isAsking ? ASK_PROBE_MS : usual;
  // Received bytes of WireGuard may keep a path whose probes are never answered.
  const isHopeless = isSilent(path, now) && now >= since + 2 * SILENT_MS;
  return isHopeless ? usual : DOUBT_PROBE_MS;
}

/** The other paths whose probes are due. The path that has waited for the longest time comes first. */
export function dueOf(paths: Iterable<Path>, current: Path | undefined, now: number): Path[] {
  const due = [...paths].filter((path) => path !== current && path.dueAt <= now);
  return due.sort((a, b) => a.dueAt - b.dueAt || a.sentAt - b.sentAt);
}
