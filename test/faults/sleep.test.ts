import { describe, expect, it } from "vitest";
import { startBroker } from "../support/needs.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { startProxy, type TcpProxy } from "../support/proxy.js";
import { type Counts, expectNothingWrong, Flow, pause, settle } from "./ledger.js";
import { isLong, randomOf, seed } from "./random.js";
import { report } from "./report.js";

const random = randomOf(seed);

const HOUR_MS = 3_600_000;

/** How long nothing passes before the network returns. */
const AWAY_MS = 2000;

/** How often Ann sends. */
const EVERY_MS = 200;

interface Sleep {
  /** The network in which brokers and proxies stand. */
  readonly subnet: string;
  /** How far the clocks have moved on at the wake. */
  readonly sleptMs: number;
  /** What has become of the old connections by then. */
  readonly wake: (proxy: TcpProxy) => void;
}

interface Recovery {
  readonly counts: Counts;
  /** From the network's return to Ann's first message after it that was acknowledged. */
  readonly recoveredMs: number;
}

/**
 * Ben, behind proxies, falls asleep while Ann goes on sending. He sends nothing himself until she
 * has reached him: his router has to notice by itself.
 */
async function sleepAndWake({ subnet, sleptMs, wake }: Sleep): Promise<Recovery> {
  const brokers = await Promise.all([1, 2, 3].map(async (i) => use(await startBroker(`${subnet}.${i}`))));
  // On the brokers' own addresses: both peers must rank the same hosts.
  const network = await Promise.all(
    brokers.map(async (broker) => use(await startProxy(broker.host, broker))),
  );
  let aheadMs = 0;
  const getTime = (): number => Date.now() + aheadMs;
  const ann = await startPeer(poolOf(brokers), { getTime });
  const ben = await startPeer(poolOf(network), { getTime });
  for (const peer of [ann, ben]) {
    await untilBrokers(peer, () => peer.stats().brokers.every(({ state }) => state === "open"));
  }
  const toBen = new Flow("ann", await ann.pipe(ben.address), [ben]);
  const toAnn = new Flow("ben", await ben.pipe(ann.address), [ann]);
  let over = false;
  const sending = toBen.run(EVERY_MS, () => !over);
  // Somewhere between two pings.
  await pause(4000 * random());

  for (const proxy of network) {
    proxy.stall();
    proxy.refusing = true;
  }
  await pause(AWAY_MS);
  aheadMs = sleptMs;
  for (const proxy of network) {
    wake(proxy);
    proxy.refusing = false;
    proxy.resume();
  }
  const returned = performance.now();
  await toBen.nextAcknowledged();
  const recoveredMs = performance.now() - returned;
  await toAnn.run(EVERY_MS, (sent) => sent < 5);
  expect(toAnn.counts().acknowledged).toBe(5);
  over = true;
  await sending;
  return { counts: await settle([toBen, toAnn]), recoveredMs };
}

describe("a router that slept for an hour", () => {
  it("recovers by itself within 10 s of the network's return", { timeout: 90_000 }, async () => {
    const [reset, onWriting, silent, noSleep] = await Promise.all([
      sleepAndWake({ subnet: "127.14.1", sleptMs: HOUR_MS, wake: (proxy) => proxy.cut() }),
      sleepAndWake({ subnet: "127.14.2", sleptMs: HOUR_MS, wake: (proxy) => proxy.forget("on writing") }),
      sleepAndWake({ subnet: "127.14.3", sleptMs: HOUR_MS, wake: (proxy) => proxy.forget("never") }),
      isLong
        ? sleepAndWake({ subnet: "127.14.4", sleptMs: 0, wake: (proxy) => proxy.forget("never") })
        : undefined,
    ]);
    const tell = async (name: string, { counts, recoveredMs }: Recovery, bar: string): Promise<void> =>
      report(name, "3", counts, `recovered in ${(recoveredMs / 1000).toFixed(1)} s; ${bar}`);
    await tell("4a sleep and wake, old connections are reset", reset, "bar 10 s");
    await tell("4b sleep and wake, old connections are reset when written to", onWriting, "bar 10 s");
    await tell("4c sleep and wake, old connections stay silent", silent, "bar 10 s");
    for (const { counts, recoveredMs } of [reset, onWriting, silent]) {
      expectNothingWrong(counts);
      expect(recoveredMs).toBeLessThan(10_000);
    }
    if (noSleep === undefined) return;
    await tell(
      "4d no sleep, all connections go silent",
      noSleep,
      "no bar: who sends nothing has the keep-alive alone, which takes up to 15 s",
    );
    expectNothingWrong(noSleep.counts);
    expect(noSleep.recoveredMs).toBeLessThan(25_000);
  });
});
