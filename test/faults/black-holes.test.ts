import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import type { BrokerPool, Router } from "../../src/index.js";
import { freePort } from "../support/free-port.js";
import { startBroker } from "../support/needs.js";
import { makePeer, median, poolOf, untilBrokers, use } from "../support/peers.js";
import { isFar, startProxy } from "../support/proxy.js";
import { openBlackHoles } from "./black-holes.js";
import { pause } from "./ledger.js";
import { report } from "./report.js";

const BROKERS = 11;
const HOLES = 8;

/** How far away the brokers of the internet are, ms: half a round trip. */
const ONE_WAY_MS = 20;

/** Two or three refusals come before the first good broker in the median, and none of them was waited for. */
const REFUSED_START_BAR = 4;

/** Pairs of peers with random keys for each pool, so many at once in one process. */
const FAR_PAIRS = 36;
const NEAR_PAIRS = 60;
const LISTENERS = 12;

interface Times {
  readonly start: number[];
  /** From a started router to the first ACK: the pipe and the send. */
  readonly "first send": number[];
  readonly "later send": number[];
}

const KINDS = ["start", "first send", "later send"] as const;

/** A pool, and how many of its brokers work. */
interface Setting {
  readonly pool: BrokerPool;
  readonly good: number;
  readonly times: Times;
}

function settingOf(brokers: readonly { host: string; port: number }[], good: number): Setting {
  return { pool: poolOf(brokers), good, times: { start: [], "first send": [], "later send": [] } };
}

/** A peer that listens on all the brokers there are. */
async function startListener({ pool, good }: Setting): Promise<Router> {
  const ben = makePeer(pool);
  await ben.start();
  await untilBrokers(ben, () => ben.stats().brokers.filter(({ state }) => state === "open").length === good);
  return ben;
}

async function measure({ pool, times }: Setting, ben: Router): Promise<void> {
  const ann = makePeer(pool);
  times.start.push(await timed(() => ann.start()));
  times["first send"].push(
    await timed(async () => expect(await (await ann.pipe(ben.address)).send("first")).toBe(5)),
  );
  const pipe = await ann.pipe(ben.address);
  times["later send"].push(await timed(async () => expect(await pipe.send("later")).toBe(5)));
  await close(ann);
}

/** Measures two settings by turns, so that what else the machine does falls on both. */
async function compare(healthy: Setting, holed: Setting, pairs: number, atATime: number): Promise<void> {
  for (let pair = 0; pair < pairs; pair += LISTENERS) {
    const listeners = await Promise.all(
      Array.from({ length: LISTENERS }, () => Promise.all([startListener(healthy), startListener(holed)])),
    );
    for (let i = 0; i < listeners.length; i += atATime) {
      const now = listeners.slice(i, i + atATime);
      await Promise.all(now.map(([ben]) => measure(healthy, ben)));
      await Promise.all(now.map(([, ben]) => measure(holed, ben)));
    }
    await Promise.all(listeners.flat().map(close));
  }
}

function remarks(healthy: Times, holed: Times): string {
  return KINDS.map((kind) => {
    const [a, b] = [healthy[kind], holed[kind]];
    const times = `${median(a).toFixed(1)} → ${median(b).toFixed(1)} ms (× ${ratio(a, b).toFixed(2)})`;
    return `${kind}: median ${times}, p90 ${p90(a).toFixed(1)} → ${p90(b).toFixed(1)} ms`;
  }).join("; ");
}

const ratio = (healthy: readonly number[], holed: readonly number[]): number =>
  median(holed) / median(healthy);

const p90 = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(0.9 * values.length)] ?? Number.NaN;

const close = (router: Router): Promise<void> => router.close({ signal: AbortSignal.abort() });

describe("a pool of which 8 of 11 swallow connection attempts, or refuse them", () => {
  it("starts and sends nearly as fast as a good one", { timeout: 120_000 }, async () => {
    const near = await Promise.all(
      Array.from({ length: BROKERS }, async (_, i) => use(await startBroker(`127.13.1.${i + 1}`))),
    );
    const far = await Promise.all(
      near.map(async (broker, i) => use(await startProxy(`127.13.3.${i + 1}`, broker, isFar(ONE_WAY_MS)))),
    );
    const holes = use(
      await openBlackHoles(Array.from({ length: HOLES }, (_, i) => `127.13.2.${i + 1}`)),
    ).endpoints;
    for (const { host, port } of holes) expect(await isSwallowed(host, port)).toBe(true);

    const good = BROKERS - HOLES;
    const [farHealthy, farHoled] = [
      settingOf(far, BROKERS),
      settingOf([...far.slice(0, good), ...holes], good),
    ];
    await compare(farHealthy, farHoled, FAR_PAIRS, 6);
    const [nearHealthy, nearHoled] = [
      settingOf(near, BROKERS),
      settingOf([...near.slice(0, good), ...holes], good),
    ];
    await compare(nearHealthy, nearHoled, NEAR_PAIRS, 1);
    const closed = await Promise.all(holes.map(async ({ host }) => ({ host, port: await freePort(host) })));
    const [again, nearClosed] = [
      settingOf(near, BROKERS),
      settingOf([...near.slice(0, good), ...closed], good),
    ];
    await compare(again, nearClosed, NEAR_PAIRS, 1);

    const brokers = `${BROKERS} good → ${good} good, ${HOLES} black holes`;
    await report(
      `3a black holes, brokers ${2 * ONE_WAY_MS} ms away`,
      brokers,
      undefined,
      `${remarks(farHealthy.times, farHoled.times)}; bar × 1.5`,
    );
    await report(
      "3b black holes, brokers on loopback",
      brokers,
      undefined,
      `${remarks(nearHealthy.times, nearHoled.times)}; bar × 1.5`,
    );
    await report(
      "3c closed ports, brokers on loopback",
      `${BROKERS} good → ${good} good, ${HOLES} closed`,
      undefined,
      `${remarks(again.times, nearClosed.times)}; bar × 1.5, for the start × ${REFUSED_START_BAR}: a refusal is told of, which takes a third of a start on loopback`,
    );
    for (const [some, others, startBar] of [
      [farHealthy, farHoled, 1.5],
      [nearHealthy, nearHoled, 1.5],
      [again, nearClosed, REFUSED_START_BAR],
    ] as const) {
      expect(ratio(some.times.start, others.times.start)).toBeLessThan(startBar);
      for (const kind of ["first send", "later send"] as const)
        expect(ratio(some.times[kind], others.times[kind])).toBeLessThan(1.5);
    }
  });
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

async function isSwallowed(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  const answer = new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(false));
    socket.once("error", () => resolve(false));
  });
  const swallowed = await Promise.race([answer, pause(100).then(() => true)]);
  socket.destroy();
  return swallowed;
}
