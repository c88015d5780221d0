import { beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../bench/simulate/random.js";
import { brokerCosts } from "../bench/simulate/brokers.js";
import { chartsOf } from "../bench/simulate/charts.js";
import { type Answers, answer, CHURN_PER_HOUR, HOUR_MS, quantilesOf } from "../bench/simulate/questions.js";
import { RosterMesh } from "../bench/simulate/roster-mesh.js";
import { Start } from "../bench/simulate/start.js";
import { tablesOf } from "../bench/simulate/tables.js";
import { FACT_TTL_S, RENEW_MS } from "../src/facts/constants.js";
import { COMPARE_MS } from "../src/membership/sync.js";
import { ANNOUNCE_LATER_MS, ANNOUNCES_MS, IDLE_PROBE_MS, JITTER } from "../src/path/constants.js";

const MEMBERS = 30;
const PEERS = MEMBERS - 1;
/** What a host says of itself here: that it is there, what it knows of the roster, and three candidates. */
const FACTS_PER_PEER = 5;

let answers: Answers;

beforeAll(async () => {
  const sizes = { members: [MEMBERS], facts: () => ({ sample: 3, ms: HOUR_MS / 3 }), pairs: 6 };
  answers = await answer(1, sizes, () => {});
});

describe("a mesh in which nothing happens", () => {
  it("probes each path as often as it says, and sends nothing over the brokers", () => {
    const { idle } = answers.pair;
    expect(idle.probes).toBeLessThanOrEqual(HOUR_MS / IDLE_PROBE_MS + 1);
    expect(idle.probes).toBeGreaterThan(0.95 * (HOUR_MS / IDLE_PROBE_MS));
    expect(idle.answers).toBe(idle.probes);
    expect(idle.overBrokers).toBe(0);
    expect(answers.comparing.find(({ where }) => where === "all there")?.overBrokers).toBe(0);
  });

  it("tells each peer facts once in half of the time that they are good for", () => {
    const perHour = HOUR_MS / (FACT_TTL_S * 1000 - RENEW_MS);
    for (const { idle, churn, held } of answers.telling) {
      expect(idle.messages).toBeLessThanOrEqual(PEERS * (perHour + 1));
      expect(idle.messages).toBeGreaterThan(0.8 * PEERS * perHour);
      // A start is told to all, and all is told to who starts; a move is told to all.
      expect(churn.messages).toBeLessThanOrEqual(PEERS * (perHour + 1 + 4 * CHURN_PER_HOUR * 2));
      expect(held).toBeLessThanOrEqual(PEERS * FACTS_PER_PEER);
    }
  });

  it("compares two rosters a minute and node, whatever the number of members", () => {
    // Both say how far they know it, and both of that is confirmed.
    const most = 4 * 2 * (HOUR_MS / COMPARE_MS);
    const [all] = answers.comparing;
    expect(all?.onPath.messages).toBeLessThanOrEqual(most);
    expect(all?.onPath.messages).toBeGreaterThan(0);
  });
});

describe("a change of the roster", () => {
  it("is known to every member within 2 s, also with losses, by the brokers alone, and to who was away", () => {
    expect(answers.spreads.length).toBe(7);
    for (const { what, where, timesMs, backMs, missed } of answers.spreads) {
      expect(missed, `${what}, ${where}`).toBe(0);
      expect(quantilesOf(timesMs)[2], `${what}, ${where}`).toBeLessThan(2000);
      if (where === "a quarter away") expect(backMs.length, what).toBeGreaterThan(0);
      for (const ms of backMs) expect(ms).toBeLessThan(2000);
    }
  });

  it("costs a node no more than the admin's word, and four comparisons with those of others", () => {
    for (const { where, datagrams, overBrokers, byAdmin } of answers.spreads) {
      if (where === "all there") expect(overBrokers).toBeLessThanOrEqual(1);
      if (where === "all there") expect(byAdmin).toBeLessThanOrEqual(PEERS);
      // Both ends of four comparisons, each with two messages that are confirmed; and the word itself.
      expect(datagrams, where).toBeLessThanOrEqual(2 * 4 * 4 + 2);
    }
  });

  it("comes at the same times for the same seed", async () => {
    const times = async (seed: number): Promise<readonly (number | undefined)[]> => {
      const conditions = { loss: 0.2, offline: 0, hasPaths: true };
      const mesh = new RosterMesh(12, "remove", conditions, brokerCosts(), new Random(seed, "same"));
      mesh.change();
      await mesh.timeline.runUntil(10_000);
      return mesh.hosts.map(({ knewAt }) => knewAt);
    };
    expect(await times(1)).toEqual(await times(1));
    expect(await times(1)).not.toEqual(await times(2));
  });
});

describe("a host that moves or starts again", () => {
  it("has its tunnels again within 5 s, also with losses", () => {
    for (const { timesMs } of answers.moved) {
      expect(timesMs.length).toBe(6);
      expect(quantilesOf(timesMs)[2]).toBeLessThan(5000);
    }
  });

  it("costs each of its peers a few announces", () => {
    for (const ends of Object.values(answers.pair.events))
      for (const { overBrokers, onPath } of ends) expect(overBrokers + onPath).toBeLessThanOrEqual(3);
  });
});

it("a member that starts has a tunnel to each other one in time", () => {
  expect(answers.started.map(({ open }) => open)).toEqual([1, 0.5]);
  for (const { timesMs, overBrokers } of answers.started) {
    expect(timesMs).toHaveLength(PEERS);
    // So few are all met at once.
    expect(overBrokers).toBe(PEERS);
    expect(Math.max(...timesMs)).toBeLessThan(5000);
  }
  const large = new Start(100, 1, new Random(1, "start")).run();
  expect(large.timesMs).toHaveLength(99);
  expect(Math.max(...large.timesMs)).toBeLessThan(60_000);
  // Few are called: the others are reached by what those tell.
  expect(large.overBrokers).toBeLessThan(50);
});

it("a member that is never there is called as rarely as is said", () => {
  const [first, later] = answers.pair.absent;
  const most = HOUR_MS / (ANNOUNCE_LATER_MS * (1 - JITTER)) + 1;
  expect(later).toBeLessThanOrEqual(most);
  expect(first).toBeLessThanOrEqual(most + ANNOUNCES_MS.length + 1);
});

it("tables and plots show every size of a mesh", () => {
  const tables = tablesOf(answers);
  for (const { markdown, name } of tables) expect(markdown, name).toContain(` ${MEMBERS} `);
  for (const { markdown, name } of tables) expect(markdown, name).not.toMatch(/NaN|Infinity|undefined/);
  for (const { svg } of chartsOf(answers)) expect(svg).toContain("members");
});
