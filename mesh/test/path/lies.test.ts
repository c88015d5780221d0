import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { DestinationBudget } from "../../src/path/budget.js";
import * as C from "../../src/path/constants.js";
import type { Decision } from "../../src/path/facts.js";
import { PathMachine } from "../../src/path/machine.js";
import { tiersOf } from "../../src/path/tiers.js";
import { type Told, told } from "./world/facts.js";
import { most } from "./world/history.js";

/** The same ones each time, unless more are asked for. */
const IS_FIXED = process.env.PATH_HISTORIES === undefined;
/** How many histories of one machine; more by PATH_HISTORIES. */
const RUNS = Number(process.env.PATH_HISTORIES ?? 1_500);

function check(isDecider: boolean, facts: readonly Told[]): void {
  const machine = new PathMachine({
    isDecider,
    tierOf: tiersOf([]),
    destinations: new DestinationBudget(),
    random: () => 0.5,
  });
  const proven = new Set<string>();
  const there = new Set<string | undefined>();
  const sent: { at: number; address: string | undefined; isInUse: boolean }[] = [];
  const announces: number[] = [];
  const uses: number[] = [];
  let now = 0;
  let nextAt = 0;
  const take = (decision: Decision): void => {
    if (decision.type === "announce") announces.push(now);
    if (decision.type === "use") {
      uses.push(now);
      const isKnown = proven.has(decision.path) || there.has(decision.path);
      expect(isKnown, "only what was proven, or where WireGuard is already").toBe(true);
    }
    if (decision.type !== "probe") return;
    for (const { path, view } of decision.probes) {
      sent.push({ at: now, address: parseEndpoint(path)?.address, isInUse: view.isChosen });
    }
  };
  for (const { afterMs, fact } of facts) {
    now = afterMs === undefined ? nextAt : now + afterMs;
    if (fact.type === "answered") proven.add(fact.path);
    if (fact.type === "wireguard") there.add(fact.endpoint);
    const step = machine.step(fact, now);
    step.decisions.forEach(take);
    nextAt = step.nextAt;
    expect(nextAt).toBeGreaterThan(now);
    expect(machine.size).toBeLessThanOrEqual(C.REMOTE_CANDIDATES + C.SEEN_PATHS + 1);
    expect(machine.snapshot(now).reason).not.toBe("");
  }
  // Alone with its timers it goes on, at a pace.
  for (let steps = 0; now < 300_000 && steps <= 600; steps++) {
    expect(steps).toBeLessThan(600);
    now = Math.max(now, nextAt);
    const step = machine.step({ type: "time" }, now);
    step.decisions.forEach(take);
    nextAt = step.nextAt;
    if (steps > 60) break;
  }
  const free = sent.filter(({ isInUse }) => !isInUse);
  expect(
    most(
      free.map(({ at }) => at),
      1_000,
    ),
  ).toBeLessThanOrEqual(C.PEER_BURST + C.PEER_PER_SECOND + 1);
  for (const address of new Set(free.map((probe) => probe.address))) {
    const times = free.filter((probe) => probe.address === address).map(({ at }) => at);
    expect(most(times, 1_000)).toBeLessThanOrEqual(2 * C.DESTINATION_PER_SECOND + 1);
  }
  expect(most(uses, 10_000), "changes of WireGuard in 10 s").toBeLessThanOrEqual(20);
  const atOnce = C.ANNOUNCE_BURST + C.NEWS_BURST;
  const perSecond = C.ANNOUNCE_PER_SECOND + C.NEWS_PER_SECOND;
  expect(announces.length).toBeLessThanOrEqual(atOnce + 1 + (now / 1_000) * perSecond);
}

describe("one machine that is told anything", () => {
  it("stays bounded, uses what was proven alone, and does not storm", () => {
    fc.assert(fc.property(fc.boolean(), told, check), { numRuns: RUNS, ...(IS_FIXED ? { seed: 1 } : {}) });
  });
});
