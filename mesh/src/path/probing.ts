import { type DestinationBudget, ProbeBudget } from "./budget.js";
import { isGood } from "./choice.js";
import { DOUBT_GAP_MS, SEEK_PROBES } from "./constants.js";
import type { Probe, View } from "./facts.js";
import { dueOf, intervalOf, type Pace } from "./pace.js";
import { onSent, type Path, startBurst } from "./path.js";
import type { PathTable } from "./path-table.js";

/** The path in use, if any, and the pace of its probes. */
export interface Probed {
  readonly path: Path | undefined;
  readonly pace: Pace;
}

/** Sends the probes that are due, within the limits. */
export class Probing {
  readonly #paths: PathTable;
  readonly #budget: ProbeBudget;
  /** When the other paths were last probed because the path in use was in doubt. */
  #doubtedAt = Number.NEGATIVE_INFINITY;

  constructor(paths: PathTable, destinations: DestinationBudget) {
    this.#paths = paths;
    this.#budget = new ProbeBudget(destinations);
  }

  /** The path in use may not work, so the other paths are probed. */
  doubt(current: Path | undefined, now: number): void {
    if (now - this.#doubtedAt < DOUBT_GAP_MS) return;
    this.#doubtedAt = now;
    this.probeOthers(current, SEEK_PROBES, now);
  }

  probeOthers(current: Path | undefined, probes: number, now: number): void {
    for (const path of this.#paths.values()) if (path !== current) startBurst(path, now, probes);
  }

  /** Looks for a path that is better than the one in use. Where that one is good, only another tier is better. */
  seekBetter(current: Path, now: number): void {
    const mustBeHigher = isGood(current);
    for (const path of this.#paths.values())
      if (path !== current && (!mustBeHigher || path.tier < current.tier)) startBurst(path, now, SEEK_PROBES);
  }

  /** @returns the probes to send now, each with the view of its path after the probe counts as sent */
  take({ path: current, pace }: Probed, viewOf: (path: Path) => View, now: number): Probe[] {
    const probes: Probe[] = [];
    const send = (path: Path): void => {
      onSent(path, now);
      probes.push({ path: path.name, view: viewOf(path) });
    };
    // No limit for the path in use: it costs little, and nobody may silence it by naming its address elsewhere.
    if (current !== undefined && dueAtInUse(current, pace, now) <= now) send(current);
    for (const path of dueOf(this.#paths.values(), current, now))
      if (this.#budget.take(path.endpoint.address, now)) send(path);
    return probes;
  }

  /** The times when probes are due and allowed. */
  nextAt({ path: current, pace }: Probed, now: number): number[] {
    return [...this.#paths.values()].map((path) => {
      if (path === current) return dueAtInUse(path, pace, now);
      return path.dueAt > now ? path.dueAt : this.#budget.readyAt(path.endpoint.address, now);
    });
  }
}

function dueAtInUse(path: Path, pace: Pace, now: number): number {
  return Math.min(path.dueAt, path.sentAt + intervalOf(path, pace, now));
}
