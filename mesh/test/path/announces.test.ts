import { describe, expect, it } from "vitest";
import { DestinationBudget } from "../../src/path/budget.js";
import { ANNOUNCE_BURST, NEWS_BURST, NEWS_PER_SECOND } from "../../src/path/constants.js";
import type { Fact } from "../../src/path/facts.js";
import { PathMachine } from "../../src/path/machine.js";
import { tiersOf } from "../../src/path/tiers.js";

const OWN: Fact = { type: "own-candidates" };
const MOVED: Fact = { type: "network-changed" };

/** Something new of the peer, which does not know yet where we are. */
function peerSays(port: number): Fact {
  const endpoint = { address: "203.0.113.1", family: 4, port } as const;
  return {
    ...{ type: "candidates", isNews: true, wantsAnswer: true },
    candidates: [{ kind: "reflexive", endpoint, ageS: 0 }],
  };
}

/** Plays facts at their times to one machine, which goes on until `untilMs`. @returns when it announced, ms */
function announces(facts: readonly (readonly [at: number, fact: Fact])[], untilMs: number): number[] {
  const machine = new PathMachine({
    ...{ isDecider: true, tierOf: tiersOf([]), destinations: new DestinationBudget() },
    random: () => 0.5,
  });
  const told: number[] = [];
  const waiting = facts.toSorted(([one], [other]) => one - other);
  for (let now = 0; now <= untilMs; ) {
    const isFact = waiting[0] !== undefined && waiting[0][0] <= now;
    const fact = isFact ? (waiting.shift()?.[1] ?? OWN) : { type: "time" as const };
    const { decisions, nextAt } = machine.step(fact, now);
    told.push(...decisions.flatMap(({ type }) => (type === "announce" ? [now] : [])));
    now = Math.max(now, Math.min(nextAt, waiting[0]?.[0] ?? nextAt));
  }
  return told;
}

describe("a machine that has something to announce", () => {
  it("tells own news at once, however much the peer has made it say before", () => {
    const before = Array.from({ length: 60 }, (_, i) => [i * 500, peerSays(1 + (i % 40))] as const);
    const told = announces([...before, [30_100, MOVED], [30_700, OWN], [33_000, OWN]], 33_000);
    expect(told).toEqual(expect.arrayContaining([30_100, 30_700, 33_000]));
  });

  it("tells each of several moves within 5 s, with what is found out after it", () => {
    const moves = Array.from({ length: 8 }, (_, i) => 3_000 + i * 15_000);
    // An uplink comes, another one goes, STUN servers answer, a router maps a port.
    const facts = moves.flatMap((at): [number, Fact][] => [
      [at, MOVED],
      [at + 100, MOVED],
      [at + 900, OWN],
      [at + 2_900, OWN],
    ]);
    const told = announces([[600, OWN], [1_300, OWN], ...facts], 130_000);
    for (const at of moves.map((move) => move + 2_900))
      expect(told.some((one) => one >= at && one < at + 5_000)).toBe(true);
  });

  it("is not made to talk by a peer, nor by news without end", () => {
    const peer = Array.from({ length: 1_000 }, (_, i) => [i, peerSays(1 + (i % 40))] as const);
    expect(announces(peer, 1_000).length).toBeLessThanOrEqual(ANNOUNCE_BURST + 1);
    const own = Array.from({ length: 1_000 }, (_, i) => [i * 20, OWN] as const);
    const most = NEWS_BURST + ANNOUNCE_BURST + 20 * NEWS_PER_SECOND + 1;
    expect(announces(own, 20_000).length).toBeLessThanOrEqual(most);
  });
});
