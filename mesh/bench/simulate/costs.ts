import { cpuTime } from "../../../bench/cpu-time.js";
import type { Random } from "../../../bench/simulate/random.js";
import { viewOf } from "../../src/roster/view.js";
import { copyOf } from "../../test/support/roster.js";
import { FactMesh } from "./fact-mesh.js";
import { type Recorded, recordPair, replayed } from "./pairs.js";
import { rosterOf } from "./roster-versions.js";

/** What the pure code costs a node: bytes of the heap, and ms of the processor. Of this machine, and other at each run. */
export interface Costs {
  /** For each peer: its path machine, the facts of it and to it. For each member: its statement and what is made of it. */
  readonly bytes: { readonly path: number; readonly facts: number; readonly roster: number };
  /** An hour of one path machine, ms. */
  readonly pathMs: number;
  /** By members: what all statements come to is computed, ms, after each change. */
  readonly viewMs: ReadonlyMap<number, number>;
}

const MACHINES = 500;
const FACT_HOSTS = 100;
const ROSTERS = 20;
const HOUR_MS = 3_600_000;

export function measureCosts(members: readonly number[], random: Random): Costs {
  const met = recordPair(1, 60_000);
  const hour = recordPair(1, HOUR_MS);
  const roster = rosterOf(FACT_HOSTS);
  return {
    bytes: {
      path: bytesOf(() => Array.from({ length: MACHINES }, () => replayed(met))) / MACHINES,
      facts: bytesOf(() => toldMesh(random)) / (FACT_HOSTS * (FACT_HOSTS - 1)),
      roster:
        bytesOf(() =>
          Array.from({ length: ROSTERS }, () => {
            const copy = copyOf(roster);
            return { copy, view: viewOf(copy) };
          }),
        ) /
        (ROSTERS * FACT_HOSTS),
    },
    pathMs: timeOf(hour) - timeOf(met),
    viewMs: new Map(members.map((count) => [count, viewTime(count)])),
  };
}

function toldMesh(random: Random): FactMesh {
  const mesh = new FactMesh(FACT_HOSTS, FACT_HOSTS, random);
  mesh.run(60_000);
  return mesh;
}

function timeOf(recorded: readonly Recorded[]): number {
  const times = 20;
  replayed(recorded);
  const before = cpuTime();
  for (let i = 0; i < times; i++) replayed(recorded);
  return (cpuTime() - before) / times;
}

function viewTime(members: number): number {
  const roster = rosterOf(members);
  viewOf(roster);
  const before = cpuTime();
  const times = 5;
  for (let i = 0; i < times; i++) viewOf(roster);
  return (cpuTime() - before) / times;
}

/** What is held after this, bytes. Needs Node's `--expose-gc`. */
function bytesOf(make: () => unknown): number {
  const before = heap();
  const made = make();
  const bytes = heap() - before;
  // It is in use until here.
  return made === undefined ? 0 : bytes;
}

function heap(): number {
  if (globalThis.gc === undefined) throw new Error("run it with --expose-gc");
  for (let i = 0; i < 3; i++) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
