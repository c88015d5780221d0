import { describe, expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import type { BrokerProcess } from "../support/broker-process.js";
import { startBroker } from "../support/needs.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { type Chaos, unleash } from "./chaos.js";
import { type Counts, expectAllAcknowledged, expectNothingWrong, Flow, settle } from "./ledger.js";
import { randomOf, seconds, seed } from "./random.js";
import { report } from "./report.js";

const EVERY_MS = 25;

const open = (router: Router): number =>
  router.stats().brokers.filter(({ state }) => state === "open").length;

async function startBrokers(subnet: string, count: number): Promise<BrokerProcess[]> {
  return await Promise.all(
    Array.from({ length: count }, async (_, i) => use(await startBroker(`${subnet}.${i + 1}`))),
  );
}

/** Messages flow both ways while brokers are killed, frozen and restarted. */
async function flowUnder(
  brokers: readonly BrokerProcess[],
  spareOne: boolean,
  random: () => number,
): Promise<{ counts: Counts; chaos: Chaos }> {
  const pool = poolOf(brokers);
  const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
  await Promise.all([ann, ben].map((peer) => untilBrokers(peer, () => open(peer) === brokers.length)));
  const flows = [
    new Flow("ann", await ann.pipe(ben.address), [ben]),
    new Flow("ben", await ben.pipe(ann.address), [ann]),
  ];
  let over = false;
  const runs = flows.map((flow) => flow.run(EVERY_MS, () => !over));
  const chaos = await unleash({ brokers, peers: [ann, ben], random, forMs: seconds * 1000, spareOne });
  over = true;
  await Promise.all(runs);
  return { counts: await settle(flows), chaos };
}

const told = ({ frozen, killed, restarted }: Chaos): string =>
  `${seconds} s; frozen ${frozen}, killed ${killed}, restarted ${restarted} times`;

describe("brokers that come and go", () => {
  it("cost nothing that was acknowledged, and nothing at all while one of them works", {
    timeout: seconds * 1000 + 60_000,
  }, async () => {
    const [sixBrokers, threeBrokers] = await Promise.all([
      startBrokers("127.11.1", 6),
      startBrokers("127.11.2", 3),
    ]);
    const [oneWorks, allMayBeGone] = await Promise.all([
      flowUnder(sixBrokers, true, randomOf(seed)),
      flowUnder(threeBrokers, false, randomOf(seed + 1)),
    ]);
    const tell = async (name: string, brokers: string, remark: string, run: typeof oneWorks): Promise<void> =>
      report(name, brokers, run.counts, `${remark}${told(run.chaos)}`);
    await tell("1a brokers come and go, one is spared at each moment", "6", "all; ", oneWorks);
    await tell("1b brokers come and go, all may be gone", "3", "", allMayBeGone);

    expectAllAcknowledged(oneWorks.counts);
    expectNothingWrong(allMayBeGone.counts);
    expect(allMayBeGone.counts.acknowledged).toBeGreaterThan(0);
    for (const { chaos } of [oneWorks, allMayBeGone]) {
      expect(chaos.frozen + chaos.killed + chaos.restarted).toBeGreaterThan(seconds / 4);
    }
  });
});
