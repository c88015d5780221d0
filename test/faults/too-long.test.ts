import { describe, expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";
import { type Rule, startProxy } from "../support/proxy.js";

const LIMIT = 20_000;
const LONG = new Uint8Array(40_000);

/** Ends the session of who publishes more than it takes, as MQTT 3.1.1 has nothing else to say so. */
const limited: Rule = (packet, from, { pass, hangUp }) => {
  if (from === "client" && packet.cmd === "publish" && packet.payload.length > LIMIT) hangUp();
  else pass(packet);
};

async function startLimited(host: string, behind: string) {
  return use(await startProxy(host, use(await startEmbeddedBroker(behind)), limited));
}

const allOpen = (router: Router, count: number): Promise<void> =>
  untilBrokers(router, () => router.stats().brokers.filter(({ state }) => state === "open").length === count);

describe("a message that is longer than a broker takes", () => {
  it("ends two sessions and no more, takes none of the short ones with it, and is reported", {
    timeout: 30_000,
  }, async () => {
    const broker = await startLimited("127.17.1.1", "127.17.1.2");
    const pool = poolOf([broker]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    // Somebody reads them, however many there are.
    record(ben);
    let ended = 0;
    ann.on("broker", ({ state }) => {
      if (state === "waiting") ended++;
    });
    const [pipe, another] = await Promise.all([ann.pipe(ben.address), ann.pipe(ben.address)]);
    let over = false;
    const long = pipe.deliver(LONG, { timeoutMs: 8000 }).catch((error: unknown) => error);
    const short: number[] = [];
    const shortOnes = (async () => {
      while (!over) short.push(await another.send("short", { timeoutMs: 8000 }));
    })();
    expect(await long).toMatchObject({
      code: "NO_ACK",
      brokers: [{ host: broker.host, error: "larger than this broker takes" }],
    });
    over = true;
    await shortOnes;
    expect(short).not.toContain(0);
    expect(ended).toBe(2);

    // What is learnt counts for the next one as well; what the broker takes goes on.
    await expect(pipe.deliver(LONG, { timeoutMs: 500 })).rejects.toMatchObject({
      brokers: [{ publishes: 0, error: "larger than this broker takes" }],
    });
    expect(await another.send(new Uint8Array(LIMIT - 1000))).toBe(LIMIT - 1000);
    expect(ended).toBe(2);
  });

  it("goes by a broker that takes it", async () => {
    const brokers = [
      await startLimited("127.17.1.1", "127.17.1.2"),
      use(await startEmbeddedBroker("127.17.1.3")),
    ];
    const pool = poolOf(brokers);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    // Somebody reads them, however many there are.
    record(ben);
    await Promise.all([allOpen(ann, 2), allOpen(ben, 2)]);
    const pipe = await ann.pipe(ben.address);
    for (let i = 0; i < 5; i++) {
      const { broker } = await pipe.deliver(LONG);
      expect(broker.host).toBe("127.17.1.3");
      await allOpen(ann, 2);
    }
    // The session of the other lasts.
    expect(ann.stats().brokers.find(({ host }) => host === "127.17.1.1")?.failures).toBeLessThanOrEqual(2);
  });
});
