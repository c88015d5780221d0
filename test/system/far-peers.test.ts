import { expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { median, poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { type Rule, startProxy } from "../support/proxy.js";

const BROKERS = 4;

const allOpen = (router: Router): Promise<void> =>
  untilBrokers(
    router,
    () => router.stats().brokers.filter(({ state }) => state === "open").length === BROKERS,
  );

it("a peer that is far away has twice its usual round trip before more brokers join in", async () => {
  let oneWayMs = 40;
  const isAway: Rule = (packet, _from, { pass }) => pass(packet, oneWayMs);
  const brokers = await Promise.all(
    Array.from({ length: BROKERS }, async (_, i) => {
      const broker = use(await startEmbeddedBroker(`127.14.1.${i + 1}`));
      return use(await startProxy(`127.14.2.${i + 1}`, broker, isAway));
    }),
  );
  const options = { fanOut: 1, widenAfterMs: 20 };
  const [ann, ben] = await Promise.all([
    startPeer(poolOf(brokers), options),
    startPeer(poolOf(brokers), options),
  ]);
  await Promise.all([allOpen(ann), allOpen(ben)]);
  const pipe = await ann.pipe(ben.address);

  // Nothing is known of him: before 160 ms are over, others have joined in.
  expect((await pipe.deliver("first")).attempts).toBeGreaterThan(1);

  // A little farther than usual, by less than twice. On a busy machine one or the other takes longer still.
  oneWayMs = 50;
  const attempts: number[] = [];
  for (let i = 0; i < 9; i++) attempts.push((await pipe.deliver("later")).attempts);
  expect(median(attempts)).toBe(1);
});
