import { ACTIVE_PROBE_MS, ASK_PROBE_MS, DOUBT_PROBE_MS, IDLE_PROBE_MS, SILENT_MS } from "./constants.js";
import { isSilent, type Path } from "./path.js";

/** What the path in use is probed for. */
export interface Pace {
  /** Data flows. */
  readonly isActive: boolean;
  /** Its probes ask the peer for a handshake. */
  readonly isAsking: boolean;
}

/** Between two probes of the path in use, ms. */
export function intervalOf(path: Path, { isActive, isAsking }: Pace, now: number): number {
  const usual = isActive ? ACTIVE_PROBE_MS : IDLE_PROBE_MS;
  const [since] = path.unanswered;
  if (since === undefined) return isAsking ? ASK_PROBE_MS : usual;
  // What WireGuard receives may keep a path whose probes are never answered.
  const isHopeless = isSilent(path, now) && now >= since + 2 * SILENT_MS;
  return isHopeless ? usual : DOUBT_PROBE_MS;
}

/** The paths beside the one in use whose probe is due: the one that waits for longest first. */
export function dueOf(paths: Iterable<Path>, current: Path | undefined, now: number): Path[] {
  const due = [...paths].filter((path) => path !== current && path.dueAt <= now);
  return due.sort((a, b) => a.dueAt - b.dueAt || a.sentAt - b.sentAt);
}
