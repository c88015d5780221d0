import { describe, expect, it } from "vitest";
import type { Router } from "../../src/index.js";
import { freePort } from "../support/free-port.js";
import { startBroker } from "../support/needs.js";
import { makePeer, median, poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";

const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

const open = (router: Router): number =>
  router.stats().brokers.filter(({ state }) => state === "open").length;
const hosts = (router: Router): string[] => router.hints().map(({ host }) => host);

describe("brokers that fail", () => {
  it("one frozen and one killed of three cost no message, no order and hardly any time", {
    timeout: 90_000,
  }, async () => {
    /** Two peers on three brokers of their own. */
    const world = async () => {
      const brokers = await Promise.all(HOSTS.map(async (host) => use(await startBroker(host))));
      const pool = poolOf(brokers);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      await Promise.all([untilBrokers(ann, () => open(ann) === 3), untilBrokers(ben, () => open(ben) === 3)]);
      const pipe = await ann.pipe(ben.address);
      return { brokers, pipe, shown: record(ben), roundTrips: [] as number[] };
    };
    const [healthy, faulty] = [await world(), await world()];
    // In turn, so that whatever else the machine does hits both alike.
    for (let i = 0; i < 500; i++) {
      if (i === 50) faulty.brokers[0]?.freeze();
      if (i === 100) void faulty.brokers[1]?.kill();
      for (const { pipe, roundTrips } of [healthy, faulty]) {
        roundTrips.push((await pipe.deliver(`${i}`)).roundTripMs);
      }
    }
    const sequence = Array.from({ length: 500 }, (_, i) => `${i}`);
    expect(faulty.shown.map((message) => message.text())).toEqual(sequence);
    expect(healthy.shown.map((message) => message.text())).toEqual(sequence);
    expect(median(faulty.roundTrips) / median(healthy.roundTrips)).toBeLessThan(1.5);
  });

  it("a dead inbound broker is replaced at once and taken back when it returns", {
    timeout: 60_000,
  }, async () => {
    const brokers = await Promise.all(
      [...HOSTS, "127.0.0.4"].map(async (host) => use(await startBroker(host))),
    );
    // Without a reserve, so that the substitute has to be dialled.
    const ann = await startPeer(poolOf(brokers), { reserveBrokers: 0 });
    await untilBrokers(ann, () => hosts(ann).length === 3);
    const before = hosts(ann);
    const victim = brokers.find(({ host }) => host === before[0]);
    const substitute = brokers.find(({ host }) => !before.includes(host));

    const killed = performance.now();
    await victim?.kill();
    await untilBrokers(ann, () => hosts(ann).includes(substitute?.host ?? ""));
    expect(performance.now() - killed).toBeLessThan(5000);
    expect(hosts(ann)).toEqual([before[1], before[2], substitute?.host]);

    await victim?.restart();
    await untilBrokers(ann, () => hosts(ann)[0] === before[0]);
    expect(hosts(ann)).toEqual(before);
  });

  it("with a reserve, the next in rank takes over without a dial", async () => {
    const brokers = await Promise.all(
      [...HOSTS, "127.0.0.4"].map(async (host) => use(await startBroker(host))),
    );
    const ann = await startPeer(poolOf(brokers));
    await untilBrokers(ann, () => open(ann) === 4);
    const before = hosts(ann);
    await brokers.find(({ host }) => host === before[1])?.kill();
    await untilBrokers(ann, () => !hosts(ann).includes(before[1] ?? ""));
    expect(hosts(ann)).toHaveLength(3);
  });

  it("a router started while all are down is reachable within 10 s of their return", {
    timeout: 60_000,
  }, async () => {
    const brokers = await Promise.all(HOSTS.map(async (host) => use(await startBroker(host))));
    const pool = poolOf(brokers);
    await Promise.all(brokers.map((broker) => broker.kill()));

    const ben = makePeer(pool);
    await expect(ben.start()).rejects.toMatchObject({
      code: "NO_BROKER",
      brokers: expect.arrayContaining(
        HOSTS.map((host) =>
          expect.objectContaining({ host, error: expect.stringContaining("ECONNREFUSED") }),
        ),
      ),
    });
    await Promise.all(brokers.map((broker) => broker.restart()));
    const returned = performance.now();
    await untilBrokers(ben, () => open(ben) > 0);
    expect(performance.now() - returned).toBeLessThan(10_000);

    const shown = record(ben);
    const ann = await startPeer(pool);
    const pipe = await ann.pipe(ben.address);
    expect(await pipe.send("there you are")).toBe(13);
    expect(shown).toHaveLength(1);
  });

  it("a send that finds every broker down is delivered when one returns in time", {
    timeout: 30_000,
  }, async () => {
    const broker = use(await startBroker());
    const pool = poolOf([broker]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    expect(await pipe.send("one")).toBe(3);
    await broker.kill();
    await untilBrokers(ann, () => open(ann) === 0);
    const sent = pipe.send("two", { timeoutMs: 15_000 });
    await broker.restart();
    expect(await sent).toBe(3);
    expect(shown.map((message) => message.text())).toEqual(["one", "two"]);
  });

  it("one that hangs is found out by a send without an answer, long before its keep-alive", {
    timeout: 30_000,
  }, async () => {
    const broker = use(await startBroker());
    const [ann, ben] = await Promise.all([startPeer(poolOf([broker])), startPeer(poolOf([broker]))]);
    const pipe = await ann.pipe(ben.address);
    expect(await pipe.send("one")).toBe(3);
    broker.freeze();
    const frozen = performance.now();
    const sent = pipe.send("two", { timeoutMs: 20_000 });
    await untilBrokers(ann, () => open(ann) === 0);
    expect(performance.now() - frozen).toBeLessThan(8000);
    expect(ann.stats().brokers[0]?.lastError).toContain("ping");
    broker.thaw();
    expect(await sent).toBe(3);
  });

  it("a pool with dead entries tells each one's reason, and works by what is left", async () => {
    const alive = use(await startBroker("127.0.0.1"));
    const dead = { host: "127.0.0.2", port: await freePort("127.0.0.2") };
    const ann = await startPeer(poolOf([alive, dead]));
    await untilBrokers(ann, () => ann.stats().brokers.some(({ state }) => state === "waiting"));
    const report = ann.stats().brokers.find(({ host }) => host === dead.host);
    expect(report).toMatchObject({
      state: "waiting",
      lastError: expect.stringContaining("ECONNREFUSED"),
    });
    // At most a second after the first failure, twice as long after each further one.
    const { failures = 0, nextTryInMs = Number.NaN } = report ?? {};
    expect(failures).toBeGreaterThan(0);
    expect(nextTryInMs).toBeLessThanOrEqual(1000 * 2 ** (failures - 1));
    const only = makePeer(poolOf([dead]));
    await expect(only.start()).rejects.toMatchObject({ brokers: [{ host: dead.host }] });
    await expect(only.pipe(ann.address)).rejects.toMatchObject({ code: "NO_BROKER" });
  });
});
