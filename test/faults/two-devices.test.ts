import { describe, expect, it } from "vitest";
import { Keypair, Router } from "../../src/index.js";
import { startBroker } from "../support/needs.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { expectAllAcknowledged, Flow, settle, total } from "./ledger.js";
import { report } from "./report.js";

const MESSAGES = 100;
const EVERY_MS = 10;

describe("two devices with one key", () => {
  it("are both served, and neither throws the other out", { timeout: 60_000 }, async () => {
    const brokers = await Promise.all([1, 2, 3].map(async (i) => use(await startBroker(`127.15.1.${i}`))));
    const pool = poolOf(brokers);
    const keys = Keypair.generate();
    const devices = [1, 2].map(() =>
      use(new Router(keys, { getTime: Date.now, brokers: pool, families: ["IPv4"] })),
    );
    await Promise.all(devices.map((device) => device.start()));
    const ann = await startPeer(pool);
    for (const peer of [ann, ...devices]) {
      await untilBrokers(
        peer,
        () => peer.stats().brokers.filter(({ state }) => state === "open").length === 3,
      );
    }
    let lostConnections = 0;
    for (const device of devices) {
      device.on("broker", ({ state }) => {
        if (state !== "open") lostConnections++;
      });
    }
    const toBoth = new Flow("both", await ann.pipe(keys.publicKeyHex), devices);
    const fromEach = await Promise.all(
      devices.map(async (device, i) => new Flow(`device${i}`, await device.pipe(ann.address), [ann])),
    );
    const exchange = (): Promise<unknown> =>
      Promise.all([toBoth, ...fromEach].map((flow) => flow.run(EVERY_MS, (sent) => sent < MESSAGES)));

    await exchange();
    expect(lostConnections).toBe(0);

    // The same with a broker frozen and another killed.
    brokers[0]?.freeze();
    await brokers[1]?.kill();
    await exchange();
    await settle([toBoth, ...fromEach]);

    const [both, each] = [toBoth.counts(), total(fromEach.map((flow) => flow.counts()))];
    await report(
      "5a one key on two devices, to both",
      "3, then 1",
      both,
      "all; each message is shown by both",
    );
    await report("5b one key on two devices, from both at once", "3, then 1", each, "all");
    expectAllAcknowledged(both);
    expectAllAcknowledged(each);
    expect(both.shown).toBe(2 * both.sent);
    expect(each.shown).toBe(each.sent);
  });
});
