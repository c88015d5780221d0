import { describe, expect, it } from "vitest";
import { Keypair, NoAckError } from "../../src/index.js";
import { startBroker } from "../support/needs.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { type Counts, expectNothingWrong, Flow, pause, settle } from "./ledger.js";
import { report } from "./report.js";

const HOUR_MS = 3_600_000;
const EVERY_MS = 50;

/** Where the clocks stand, one step after the other. */
const STEPS_MS = [0, HOUR_MS, 0, -HOUR_MS, 0];

/** How long a step lasts in which nothing can arrive, and how many messages go each way in one in which all must. */
const STEP_MS = 1500;
const STEP_MESSAGES = 20;

interface Jumps {
  readonly counts: Counts;
  /** Of the messages whose whole way lies between two jumps, while the clocks agreed. */
  readonly agreed: { readonly sent: number; readonly acknowledged: number };
}

/**
 * Messages flow both ways while clocks jump back and forth: Ben's, or both. One on its way at a jump
 * keeps its timestamp, as all retransmissions do, and may be an hour too old or too new after it.
 */
async function jump(subnet: string, whose: "one" | "both"): Promise<Jumps> {
  const brokers = await Promise.all([1, 2, 3].map(async (i) => use(await startBroker(`${subnet}.${i}`))));
  let aheadMs = 0;
  let over = false;
  const jumping = (): number => Date.now() + aheadMs;
  const pool = poolOf(brokers);
  const ann = await startPeer(pool, { getTime: whose === "both" ? jumping : Date.now });
  const ben = await startPeer(pool, { getTime: jumping });
  const flows = [
    new Flow("ann", await ann.pipe(ben.address), [ben]),
    new Flow("ben", await ben.pipe(ann.address), [ann]),
  ];
  const throughJumps = flows.map((flow) => flow.run(EVERY_MS, () => !over));
  const betweenJumps: boolean[] = [];
  for (const step of STEPS_MS) {
    aheadMs = step;
    if (whose === "both" || step === 0) {
      const sends = flows.map((flow) => flow.run(EVERY_MS, (sent) => sent < STEP_MESSAGES));
      betweenJumps.push(...(await Promise.all(sends)).flat());
    } else await pause(STEP_MS);
  }
  over = true;
  await Promise.all(throughJumps);
  return {
    counts: await settle(flows),
    agreed: { sent: betweenJumps.length, acknowledged: betweenJumps.filter(Boolean).length },
  };
}

/** Tries, their end, and the closing of idle connections keep their pace by a clock that jumps at each look. */
async function keepPace(): Promise<void> {
  const brokers = await Promise.all([1, 2, 3].map(async (i) => use(await startBroker(`127.16.3.${i}`))));
  const [own] = brokers;
  if (own === undefined) throw new Error("no broker");
  let aheadMs = 0;
  const getTime = (): number => {
    aheadMs = aheadMs > 0 ? -HOUR_MS : HOUR_MS;
    return Date.now() + aheadMs;
  };
  const idleTimeoutMs = 2000;
  const ann = await startPeer(poolOf([own]), { getTime, idleTimeoutMs, allowPrivateHints: true });
  const hintBrokers = brokers.slice(1).map(({ host, port }) => ({ af: 2, host, port }) as const);
  const nobody = Keypair.generate().publicKeyHex;
  const pipe = await ann.pipe(nobody, { hintBrokers, useCache: true });
  const open = (): number => ann.stats().brokers.filter(({ state }) => state === "open").length;
  await untilBrokers(ann, () => open() === 3);

  const began = performance.now();
  const failure = await pipe.deliver("anybody?", { timeoutMs: 2500 }).catch((error: unknown) => error);
  const expiredMs = performance.now() - began;
  expect(failure).toBeInstanceOf(NoAckError);
  expect(failure).toMatchObject({ brokers: brokers.map(() => ({ publishes: 3 })) });
  expect(expiredMs).toBeGreaterThanOrEqual(2500);
  expect(expiredMs).toBeLessThan(3500);

  // The last try was 2 s after the first.
  await untilBrokers(ann, () => open() === 1);
  const idleMs = performance.now() - began - 2000;
  expect(idleMs).toBeGreaterThan(idleTimeoutMs - 100);
  // It looks every `idleTimeoutMs`.
  expect(idleMs).toBeLessThan(2 * idleTimeoutMs + 1000);
  expect(await ann.pipe(nobody, { useCache: true })).toBe(pipe);
  await report(
    "6c the clock jumps ± an hour at each look",
    "3",
    undefined,
    `tries after 0, 0.9 and 2 s, given up after ${(expiredMs / 1000).toFixed(2)} s (asked for: 2.5), idle connections closed after ${(idleMs / 1000).toFixed(1)} s (asked for: 2, looked for every 2)`,
  );
}

describe("a wall clock that jumps by an hour", () => {
  it("loses, doubles and disorders nothing, and changes no pace", { timeout: 60_000 }, async () => {
    const [one, both] = await Promise.all([jump("127.16.1", "one"), jump("127.16.2", "both"), keepPace()]);
    const between = ({ agreed }: Jumps): string =>
      `between jumps, while they agreed: ${agreed.acknowledged} of ${agreed.sent} acknowledged`;
    await report(
      "6a one clock jumps ± an hour",
      "3",
      one.counts,
      `${between(one)}; the rest is too old or too new for the other side`,
    );
    await report(
      "6b both clocks jump ± an hour",
      "3",
      both.counts,
      `${between(both)}; one on its way at a jump may be too old or too new after it`,
    );
    for (const { counts, agreed } of [one, both]) {
      expectNothingWrong(counts);
      expect(agreed.acknowledged).toBe(agreed.sent);
    }
  });
});
