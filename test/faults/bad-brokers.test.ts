import { describe, expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import { startBroker } from "../support/needs.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import {
  delays,
  grants,
  hangsUpOnPublish,
  loses,
  type Rule,
  refusesWith,
  repeats,
  saysNothing,
  startProxy,
} from "../support/proxy.js";
import { type Counts, expectAllAcknowledged, expectNothingWrong, Flow, settle } from "./ledger.js";
import { randomOf, seed } from "./random.js";
import { report } from "./report.js";

const random = randomOf(seed);

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

interface Setting {
  /** The network in which brokers and proxies stand. */
  readonly subnet: string;
  /** What is wrong with each broker; nothing, where undefined. */
  readonly rules: readonly (Rule | undefined)[];
  readonly messages?: number;
  readonly everyMs?: number;
  readonly gapTimeoutMs?: number;
  /** How many brokers must be connected before it begins. */
  readonly connected?: number;
}

interface Outcome {
  readonly counts: Counts;
  readonly ann: Router;
  readonly ben: Router;
}

/** Two peers exchange messages by brokers of this kind. */
async function converse({
  subnet,
  rules,
  messages = 100,
  everyMs = 10,
  gapTimeoutMs = 1000,
  connected = 1,
}: Setting): Promise<Outcome> {
  const brokers = await Promise.all(
    rules.map(async (rule, i): Promise<Endpoint> => {
      const broker = use(await startBroker(`${subnet}.${i + 1}`));
      return rule === undefined ? broker : use(await startProxy(`${subnet}.${i + 101}`, broker, rule));
    }),
  );
  const pool = poolOf(brokers);
  const options = { gapTimeoutMs };
  const [ann, ben] = await Promise.all([startPeer(pool, options), startPeer(pool, options)]);
  const open = (router: Router): number =>
    router.stats().brokers.filter(({ state }) => state === "open").length;
  await Promise.all([ann, ben].map((peer) => untilBrokers(peer, () => open(peer) >= connected)));
  const flows = [
    new Flow("ann", await ann.pipe(ben.address), [ben]),
    new Flow("ben", await ben.pipe(ann.address), [ann]),
  ];
  await Promise.all(flows.map((flow) => flow.run(everyMs, (sent) => sent < messages)));
  return { counts: await settle(flows), ann, ben };
}

const failures = (router: Router): string[] =>
  router.stats().brokers.flatMap(({ lastError }) => lastError ?? []);

describe("brokers that misbehave", { timeout: 60_000 }, () => {
  it("cost nothing while one works, and say why they don't", async () => {
    const codes = [1, 2, 3, 4, 5, 99];
    const [mute, refusing, denying, hangingUp] = await Promise.all([
      converse({ subnet: "127.12.1", rules: [saysNothing, saysNothing, saysNothing, undefined] }),
      converse({ subnet: "127.12.2", rules: [...codes.map(refusesWith), undefined] }),
      converse({ subnet: "127.12.3", rules: [grants(128), grants(0), grants(128), undefined] }),
      converse({
        subnet: "127.12.4",
        rules: [hangsUpOnPublish, hangsUpOnPublish, hangsUpOnPublish, undefined],
        connected: 4,
      }),
    ]);
    await report("2a accept and say nothing", "3 and a good one", mute.counts, "all");
    await report(
      "2b refuse, each CONNACK code",
      "6 and a good one",
      refusing.counts,
      `all; codes ${codes.join(", ")}`,
    );
    await report("2c deny or downgrade the SUBACK", "3 and a good one", denying.counts, "all");
    await report("2d hang up after each publish", "3 and a good one", hangingUp.counts, "all");
    for (const { counts } of [mute, refusing, denying, hangingUp]) expectAllAcknowledged(counts);
    for (const code of codes) expect(failures(refusing.ann).join()).toContain(`refused with code ${code}:`);
    expect(failures(denying.ann).filter((reason) => reason.includes("QoS 1"))).toHaveLength(3);
  });

  it("by delivering twice or in the wrong order show nothing twice or in the wrong order", async () => {
    const twice = repeats(() => 300 * random());
    const late = delays(() => 300 * random());
    const [byTwice, byLate] = await Promise.all([
      converse({ subnet: "127.12.5", rules: [twice, twice, twice], connected: 3 }),
      converse({ subnet: "127.12.6", rules: [late, late, late], connected: 3 }),
    ]);
    const { duplicates } = byTwice.ben.stats();
    await report("2e deliver twice", "3", byTwice.counts, `all; ${duplicates} copies came to one peer`);
    await report("2f deliver up to 0.3 s late, shuffled", "3", byLate.counts, "all");
    expectAllAcknowledged(byTwice.counts);
    expectAllAcknowledged(byLate.counts);
    expect(duplicates).toBeGreaterThan(3 * 100);
  });

  it("by losing or delaying too much lose nothing that was acknowledged", async () => {
    const lossy = loses(0.3, random);
    const tooLate = delays(() => 3000 * random());
    const [byEight, byOne, byLate] = await Promise.all([
      // What is sent again after 2 s is in time there for those behind it.
      converse({
        subnet: "127.12.7",
        rules: Array.from({ length: 8 }, () => lossy),
        connected: 8,
        gapTimeoutMs: 3000,
      }),
      converse({ subnet: "127.12.8", rules: [lossy], everyMs: 20 }),
      converse({ subnet: "127.12.9", rules: [tooLate], everyMs: 20 }),
    ]);
    await report("2g lose 30 %", "8", byEight.counts, "all; gaps may last 3 s");
    await report("2h lose 30 %", "1", byOne.counts, "three tries each; gaps are given up after 1 s");
    await report("2i deliver up to 3 s late, shuffled", "1", byLate.counts, "gaps are given up after 1 s");
    expectAllAcknowledged(byEight.counts);
    expectNothingWrong(byOne.counts);
    expectNothingWrong(byLate.counts);
  });
});
