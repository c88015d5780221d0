import { spawnSync } from "node:child_process";

/** How long Node takes to start on the machine that the bars were set on, ms. */
const NODE_STARTS_MS = 45;

/** A machine that takes longer is broken, or far too busy for any bar. */
const MOST = 5;

/**
 * A bar for what is mostly the starts of programs: as it is on the machine that it was set on, and longer where Node itself
 * takes longer to start, at this moment.
 * @param bar - in whatever unit
 * @returns in the same unit; never less than what was given
 */
export function atOurPace(bar: number): number {
  const times = Array.from({ length: 5 }, () => {
    const startedAt = performance.now();
    spawnSync(process.execPath, ["-e", "0"]);
    return performance.now() - startedAt;
  });
  const median = times.toSorted((a, b) => a - b)[2] ?? 0;
  return Math.ceil(bar * Math.min(MOST, Math.max(1, median / NODE_STARTS_MS)));
}
