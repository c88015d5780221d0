import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import {
  AppPacket,
  type BrokerHint,
  type HintStore,
  Keypair,
  MessageType,
  Router,
  rankBrokers,
} from "../../src/index.js";
import { FileHintStore } from "../../src/node.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import { makePeer, poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";
import { connectRaw } from "../support/raw-client.js";

const HOSTS = Array.from({ length: 6 }, (_, i) => `127.0.0.${i + 1}`);

const open = (router: Router): string[] =>
  router
    .stats()
    .brokers.filter(({ state }) => state === "open")
    .map(({ host }) => host);

afterEach(() => {
  vi.useRealTimers();
});

describe("what worked last time", () => {
  it("is dialled first by the next start, from a file, and does not displace the ranking", async () => {
    const folder = mkdtempSync(join(tmpdir(), "sidewire-hints-"));
    use({ [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }) });
    const path = join(folder, "deeper", "hints.json");
    const keys = Keypair.generate();
    const ports = new Map(
      await Promise.all(HOSTS.map(async (host) => [host, await freePort(host)] as const)),
    );
    const pool = poolOf(HOSTS.map((host) => ({ host, port: ports.get(host) ?? 0 })));
    const ranked = rankBrokers(keys.publicKeyHex, pool).IPv4.map(({ host }) => host);
    const [worst = ""] = ranked.slice(-1);
    const options = { getTime: Date.now, brokers: pool, families: ["IPv4"] as const, reserveBrokers: 0 };

    // The first time, only the worst of the ranking works.
    await using first = await startEmbeddedBroker(worst, ports.get(worst));
    await using before = new Router(keys, { ...options, hintStore: new FileHintStore(path) });
    await before.start();
    expect(before.hints().map(({ host }) => host)).toEqual([worst]);
    const kept = (): unknown => JSON.parse(readFileSync(path, "utf8"));
    await vi.waitFor(() =>
      expect(kept()).toEqual({ [keys.publicKeyHex]: [{ af: 2, host: worst, port: first.port }] }),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await before.close();

    // The next time, its connection comes first; the best three of the ranking take over.
    const rest = ranked.filter((host) => host !== worst);
    await Promise.all(rest.map(async (host) => use(await startEmbeddedBroker(host, ports.get(host)))));
    await using after = new Router(keys, { ...options, hintStore: new FileHintStore(path) });
    const dialled: string[] = [];
    after.on("broker", ({ broker, state }) => state === "connecting" && dialled.push(broker.host));
    await after.start();
    expect(dialled[0]).toBe(worst);
    await untilBrokers(after, () => open(after).length === 4);
    expect(after.hints().map(({ host }) => host)).toEqual(ranked.slice(0, 3));
    expect(after.stats().brokers.find(({ host }) => host === worst)?.role).toBe("outbound");
  });

  it("is dialled by itself: its connection does not share its time with two more", async () => {
    const brokers = await Promise.all(HOSTS.map(async (host) => use(await startEmbeddedBroker(host))));
    const keys = Keypair.generate();
    const pool = poolOf(brokers);
    const ranked = rankBrokers(keys.publicKeyHex, pool).IPv4.map(({ host, port = 0 }) => ({ host, port }));
    const hints = ranked.slice(3).map((place) => ({ af: 2 as const, ...place }));
    const options = { getTime: Date.now, brokers: pool, families: ["IPv4"] as const };
    await using router = new Router(keys, { ...options, hintStore: { get: () => hints, set: () => {} } });
    const dialled: string[] = [];
    router.on("broker", ({ broker, state }) => state === "connecting" && dialled.push(broker.host));

    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const started = router.start();
    const inTurn = [...hints.slice(0, 1), ...ranked.slice(0, 3)];
    for (const { host } of inTurn) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(dialled.at(-1)).toBe(host);
      vi.advanceTimersByTime(10);
    }
    vi.useRealTimers();
    await started;
    expect(dialled.slice(0, 4)).toEqual(inTurn.map(({ host }) => host));
  });

  it("is in the store when the router is closed, and stays as it was while that went on", async () => {
    const brokers = await Promise.all(
      HOSTS.slice(0, 3).map(async (host) => use(await startEmbeddedBroker(host))),
    );
    const kept: (readonly BrokerHint[])[] = [];
    const hintStore: HintStore = {
      get: () => undefined,
      set: async (_, hints) => {
        await new Promise((resolve) => setImmediate(resolve));
        kept.push(hints);
      },
    };
    const ann = await startPeer(poolOf(brokers), { hintStore });
    // The third one is told last, and the store takes its time.
    await untilBrokers(ann, () => open(ann).length === 3);
    const hints = ann.hints();
    await ann.close();
    expect(kept.at(-1)).toEqual(hints);
    expect(hints).toHaveLength(3);
  });

  it("costs nothing but time when the store fails or is full of nonsense", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const broken: HintStore = {
      get: () => Promise.reject(new Error("disk on fire")),
      set: () => {
        throw new Error("disk on fire");
      },
    };
    // What a store of somebody else's may return.
    const nonsense: HintStore = { get: () => [{ af: 7 }] as unknown as BrokerHint[], set: () => {} };
    const [ann, ben] = await Promise.all([
      startPeer(pool, { hintStore: broken }),
      startPeer(pool, { hintStore: nonsense }),
    ]);
    expect(await (await ann.pipe(ben.address)).send("still here")).toBe(10);
  });

  it("is not waited for for ever: a store that never answers holds up neither a start nor a send", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const mute: HintStore = { get: () => new Promise(() => {}), set: () => new Promise(() => {}) };
    const ben = await startPeer(pool);
    const ann = await startPeer(pool, { hintStore: mute });
    expect(await (await ann.pipe(ben.address)).send("hello")).toBe(5);
    const startedAt = performance.now();
    await ann.close({ signal: AbortSignal.abort() });
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });

  it("is kept of peers too: where one answered is tried first", async () => {
    const brokers = await Promise.all(HOSTS.map(async (host) => use(await startEmbeddedBroker(host))));
    const pool = poolOf(brokers);
    const kept = new Map<string, readonly BrokerHint[]>();
    const hintStore: HintStore = {
      get: (address) => kept.get(address),
      set: (address, hints) => void kept.set(address, hints),
    };
    const ben = await startPeer(pool);
    await untilBrokers(ben, () => open(ben).length === 6);
    const [ann] = [await startPeer(pool, { hintStore, fanOut: 1 })];
    const worst = rankBrokers(ben.address, pool).IPv4.at(-1);
    if (worst?.port === undefined) throw new Error("no broker");
    kept.set(ben.address, [{ af: 2, host: worst.host, port: worst.port }]);
    await untilBrokers(ann, () => open(ann).length === 6);
    const receipt = await (await ann.pipe(ben.address)).deliver("as ever");
    expect(receipt.brokersTried.map(({ host }) => host)).toEqual([worst.host]);
  });
});

describe("a destination that does not answer", () => {
  it("has a broker asked for a sign of life once, however long it takes", async () => {
    const broker = use(await startEmbeddedBroker());
    const ann = await startPeer(poolOf([broker]), { widenAfterMs: 20 });
    const pipe = await ann.pipe(Keypair.generate().publicKeyHex);
    let pings = 0;
    broker.aedes.on("ping", () => pings++);
    expect(await pipe.send("anybody?", { timeoutMs: 1000 })).toBe(0);
    expect(pings).toBe(1);
  });
});

describe("a connection for own sends alone", () => {
  it("makes nobody reachable: a start still waits for a broker to listen on", async () => {
    const down = await startEmbeddedBroker("127.0.0.1");
    const hinted = use(await startEmbeddedBroker("127.0.0.2"));
    await down.close();
    const ann = makePeer(poolOf([down]), { allowPrivateHints: true });
    await expect(ann.start({ timeoutMs: 2000 })).rejects.toMatchObject({ code: "NO_BROKER" });
    const hintBrokers = [{ af: 2, host: hinted.host, port: hinted.port }] as const;
    await ann.pipe(Keypair.generate().publicKeyHex, { hintBrokers });
    expect(open(ann)).toEqual([hinted.host]);
    await expect(ann.start({ timeoutMs: 50 })).rejects.toMatchObject({ code: "NO_BROKER" });
    const up = use(await startEmbeddedBroker(down.host, down.port));
    await untilBrokers(ann, () => open(ann).length === 2);
    expect(ann.hints()).toEqual([{ af: 2, host: up.host, port: up.port }]);
  });
});

describe("a broker's rate", () => {
  it("is not used up by strangers: neither ACKs for known peers nor own messages wait behind theirs", {
    timeout: 30_000,
  }, async () => {
    const broker = use(await startEmbeddedBroker());
    const rate = { perSecond: 10, burst: 40 };
    const pool = { IPv4: { [broker.host]: { port: broker.port, rate } } };
    const unlimited = poolOf([broker]);
    const [ann, carol] = await Promise.all([startPeer(unlimited), startPeer(unlimited)]);
    const mallory = Keypair.generate();
    const known = [ann.address, mallory.publicKeyHex];
    const ben = await startPeer(pool, { accept: (from) => known.includes(from) });
    const client = await connectRaw(broker);
    const place = { queueId: "ab".repeat(32), sequence: 0, message: new Uint8Array() };
    const payloads = await Promise.all(
      [MessageType.Probe, MessageType.Message].map((type) =>
        AppPacket.pack({ ...place, timestamp: Math.floor(Date.now() / 1000), type }, mallory),
      ),
    );
    let answered = 0;
    broker.aedes.on("publish", ({ topic }) => {
      if (topic === mallory.publicKeyHex) answered++;
    });
    const flood = setInterval(() => {
      // What is under way when the test is over is cut off.
      for (const payload of payloads)
        for (let i = 0; i < 5; i++) client.publish(ben.address, payload).catch(() => {});
    }, 10);
    onTestFinished(() => clearInterval(flood));
    // Whatever strangers may have was taken.
    await vi.waitUntil(() => answered >= 10);
    const toBen = await ann.pipe(ben.address);
    const toCarol = await ben.pipe(carol.address);
    for (let i = 0; i < 5; i++) {
      const [receipt, bytes] = await Promise.all([toBen.deliver(`${i}`), toCarol.send(`${i}`)]);
      expect([receipt.attempts, bytes]).toEqual([1, 1]);
    }
  });

  it("is kept: what is over it goes by another broker or waits, and nothing is lost", {
    timeout: 30_000,
  }, async () => {
    const brokers = [
      use(await startEmbeddedBroker("127.0.0.1")),
      use(await startEmbeddedBroker("127.0.0.2")),
    ];
    const rate = { perSecond: 20, burst: 8 };
    const pool = { IPv4: Object.fromEntries(brokers.map(({ host, port }) => [host, { port, rate }])) };
    const unlimited = poolOf(brokers);
    const ben = await startPeer(unlimited);
    const ann = await startPeer(pool);
    await Promise.all([
      untilBrokers(ann, () => open(ann).length === 2),
      untilBrokers(ben, () => open(ben).length === 2),
    ]);
    const published = new Map<string, number>();
    for (const { aedes, host } of brokers) {
      aedes.on("publish", (packet) => {
        if (packet.topic === ben.address) published.set(host, (published.get(host) ?? 0) + 1);
      });
    }
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    const began = performance.now();
    const sent = await Promise.all(Array.from({ length: 40 }, (_, i) => pipe.send(`${i}`)));
    const seconds = (performance.now() - began) / 1000;
    expect(sent).not.toContain(0);
    expect(shown.map((message) => Number(message.text()))).toEqual(Array.from({ length: 40 }, (_, i) => i));
    for (const count of published.values())
      expect(count).toBeLessThanOrEqual(rate.burst + rate.perSecond * seconds + 1);
  });
});

describe("an idle connection", () => {
  it("is closed unless it is listened on, and opened again by the next send", async () => {
    const own = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer(poolOf([other]));
    const ann = await startPeer(poolOf([own]), { idleTimeoutMs: 1000, allowPrivateHints: true });
    const pipe = await ann.pipe(ben.address, { hintBrokers: ben.hints() });
    expect(await pipe.send("one")).toBe(3);
    expect(open(ann).sort()).toEqual(["127.0.0.1", "127.0.0.2"]);
    await untilBrokers(ann, () => open(ann).length === 1);
    expect(open(ann)).toEqual(["127.0.0.1"]);
    expect(await pipe.send("two")).toBe(3);
  });
});

describe("networkChanged", () => {
  it("dials at once what waits for its next try, and keeps what lives", async () => {
    const living = use(await startEmbeddedBroker("127.0.0.1"));
    const port = await freePort("127.0.0.2");
    const ann = await startPeer(poolOf([living, { host: "127.0.0.2", port }]));
    const waits = (): boolean => ann.stats().brokers.some(({ state }) => state === "waiting");
    await untilBrokers(ann, waits);
    use(await startEmbeddedBroker("127.0.0.2", port));
    // One that was never reached would wait for minutes by now.
    const lost: string[] = [];
    ann.on("broker", ({ broker, state }) => {
      if (state === "waiting") lost.push(broker.host);
    });
    ann.networkChanged();
    await untilBrokers(ann, () => open(ann).length === 2);
    expect(lost).toEqual([]);
  });

  it("keeps a connection from an address that the system never listed, such as 127.0.9.1", async () => {
    const broker = use(await startEmbeddedBroker("127.0.0.1"));
    const [ann, ben] = [
      await startPeer(poolOf([broker]), { nic: "127.0.9.1" }),
      await startPeer(poolOf([broker]), { nic: "127.0.9.2" }),
    ];
    const pipe = await ann.pipe(ben.address);
    expect(await pipe.send("one")).toBe(3);
    for (const peer of [ann, ben]) peer.networkChanged();
    expect([...ann.stats().brokers, ...ben.stats().brokers].map(({ state }) => state)).toEqual([
      "open",
      "open",
    ]);
    expect(await pipe.send("two")).toBe(3);
    expect(broker.connections).toBe(2);
  });

  it("is refused before the start and after the end", async () => {
    const broker = use(await startEmbeddedBroker("127.0.0.1"));
    const ann = makePeer(poolOf([broker]));
    expect(() => ann.networkChanged()).toThrow(expect.objectContaining({ code: "NOT_STARTED" }));
    await ann.start();
    await ann.close();
    expect(() => ann.networkChanged()).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });
});

describe("closeIdle", () => {
  it("closes what is neither listened on nor waited for, whatever the idle timeout is", async () => {
    const own = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer(poolOf([other]));
    const ann = await startPeer(poolOf([own]), { allowPrivateHints: true });
    expect(await ann.closeIdle()).toBe(0);
    const pipe = await ann.pipe(ben.address, { hintBrokers: ben.hints() });
    expect(await pipe.send("one")).toBe(3);
    const gone = once(other.aedes, "clientDisconnect");
    expect(await ann.closeIdle()).toBe(1);
    expect(open(ann)).toEqual(["127.0.0.1"]);
    // It said goodbye.
    await gone;
    expect(await ann.closeIdle()).toBe(0);
    expect(await pipe.send("two")).toBe(3);
  });

  it("leaves alone what a message waits for", async () => {
    const own = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ann = await startPeer(poolOf([own]), { allowPrivateHints: true });
    const nobody = Keypair.generate().publicKeyHex;
    const pipe = await ann.pipe(nobody, { hintBrokers: [{ af: 2, host: other.host, port: other.port }] });
    const sent = pipe.send("anybody?", { timeoutMs: 300 });
    await vi.waitUntil(() => ann.stats().inFlight === 1);
    expect(await ann.closeIdle()).toBe(0);
    expect(await sent).toBe(0);
    expect(await ann.closeIdle()).toBe(1);
  });

  it("does not give back what a broker's rate has used up", async () => {
    const [own, other] = [use(await startEmbeddedBroker()), use(await startEmbeddedBroker("127.0.0.2"))];
    const rate = { perSecond: 1, burst: 4 };
    const pool = { IPv4: { [own.host]: { port: own.port }, [other.host]: { port: other.port, rate } } };
    let keys = Keypair.generate();
    while (rankBrokers(keys.publicKeyHex, pool).IPv4[0]?.host !== own.host) keys = Keypair.generate();
    const options = { getTime: Date.now, families: ["IPv4"], inboundBrokers: 1, reserveBrokers: 0 } as const;
    const ann = use(new Router(keys, { ...options, brokers: pool }));
    await ann.start();
    const ben = await startPeer(poolOf([other]));
    const pipe = await ann.pipe(ben.address, { hintBrokers: ben.hints() });
    // One of the four is for ACKs.
    for (let i = 0; i < 3; i++) expect(await pipe.send(`${i}`)).toBe(1);
    const used = performance.now();
    expect(await ann.closeIdle()).toBe(1);
    expect(await pipe.send("3")).toBe(1);
    expect(performance.now() - used).toBeGreaterThan(500);
  });

  it("is for a router that runs", async () => {
    const ann = makePeer(poolOf([use(await startEmbeddedBroker())]));
    await expect(ann.closeIdle()).rejects.toMatchObject({ code: "NOT_STARTED" });
    await ann.start();
    await ann.close();
    await expect(ann.closeIdle()).rejects.toMatchObject({ code: "CLOSED" });
  });
});

describe("two routers in one process", () => {
  it("with one key are both served", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const keys = Keypair.generate();
    const options = { getTime: Date.now, brokers: pool, families: ["IPv4"] as const };
    const [phone, laptop] = [use(new Router(keys, options)), use(new Router(keys, options))];
    await Promise.all([phone.start(), laptop.start()]);
    const [a, b] = [phone.messages(), laptop.messages()];
    const ann = makePeer(pool);
    await ann.start();
    const pipe = await ann.pipe(keys.publicKeyHex);
    expect(await pipe.send("both")).toBe(4);
    expect((await a.next()).value?.text()).toBe("both");
    expect((await b.next()).value?.text()).toBe("both");
    const replies = record(ann);
    expect(await (await phone.pipe(ann.address)).send("phone")).toBe(5);
    expect(await (await laptop.pipe(ann.address)).send("laptop")).toBe(6);
    expect(replies.map((message) => message.text()).sort()).toEqual(["laptop", "phone"]);
  });
});
