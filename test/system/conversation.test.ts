import { describe, expect, it, vi } from "vitest";
import {
  formatAddress,
  Keypair,
  NoAckError,
  Router,
  SidewireError,
  type SmartPipe,
} from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { startBroker } from "../support/needs.js";
import { makePeer, poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";

const brokers = [
  { name: "a broker in this process", start: startEmbeddedBroker },
  { name: "a broker in a process of its own", start: startBroker },
];

for (const { name, start } of brokers) {
  describe(`a conversation over ${name}`, () => {
    it("delivers a message, acknowledges it and tells how", async () => {
      const broker = use(await start());
      const pool = poolOf([broker]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);

      const pipe = await ann.pipe(ben.address);
      const receipt = await pipe.deliver("héllo");

      expect(shown.map((message) => message.text())).toEqual(["héllo"]);
      expect(shown[0]).toMatchObject({ from: ann.address, sequence: 0, sealed: false });
      expect(Math.abs((shown[0]?.sentAt ?? 0) - Date.now())).toBeLessThan(5000);
      expect(receipt).toMatchObject({
        bytes: 6,
        attempts: 1,
        broker: { host: broker.host, port: broker.port },
      });
      expect(receipt.brokersTried).toHaveLength(1);
      expect(receipt.roundTripMs).toBeGreaterThan(0);
      expect(Math.abs(receipt.remoteClockOffsetMs)).toBeLessThan(2000);
    });

    it("takes an address as people pass it on, and gives it in hex", async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);
      const text = formatAddress(ben.address);
      const pipe = await ann.pipe(text);
      expect(pipe.to).toBe(ben.address);
      await pipe.deliver("to sw1…");
      expect(shown[0]?.from).toBe(ann.address);
      expect(await ann.probe(text.toUpperCase())).toMatchObject({ reachable: true });
      const mistyped = text.replace(/.$/, (last) => (last === "q" ? "p" : "q"));
      await expect(ann.pipe(mistyped)).rejects.toMatchObject({
        code: "INVALID_ADDRESS",
        message: expect.stringContaining("destination: a typo near character 62"),
      });
    });

    it("shows the same text 100 times when it is sent 100 times", async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      for (let i = 0; i < 100; i++) expect(await pipe.send("again")).toBe(5);
      expect(shown.map((message) => message.text())).toEqual(Array.from({ length: 100 }, () => "again"));
    });

    it("keeps 10 000 messages of one pipe in order that are sent without waiting", {
      // 20 000 signatures, and as many checks of them: a minute of a slow processor.
      timeout: 240_000,
    }, async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      const count = 10_000;
      const sent = await Promise.all(Array.from({ length: count }, (_, i) => pipe.send(`${i}`)));
      expect(sent.filter((bytes) => bytes === 0)).toHaveLength(0);
      expect(shown.map((message) => Number(message.text()))).toEqual(
        Array.from({ length: count }, (_, i) => i),
      );
    });

    it("carries any bytes up to the limit, and refuses one more", async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      const bytes = Uint8Array.from({ length: 61_440 }, (_, i) => i % 251);
      expect(await pipe.send(bytes)).toBe(61_440);
      expect((await pipe.deliver("")).bytes).toBe(0);
      await expect(pipe.send(new Uint8Array(61_441))).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
      expect(Buffer.compare(shown[0]?.data ?? new Uint8Array(), bytes)).toBe(0);
      expect(shown[1]?.data).toHaveLength(0);
    });

    it("answers through reply, in order", async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([
        startPeer(pool),
        startPeer(pool, { onMessage: (message) => message.reply(`re: ${message.text()}`) }),
      ]);
      const replies = ann.messages();
      const pipe = await ann.pipe(ben.address);
      await Promise.all(["a", "b", "c"].map((text) => pipe.send(text)));
      const texts: string[] = [];
      for await (const message of replies) {
        texts.push(message.text());
        if (texts.length === 3) break;
      }
      expect(texts).toEqual(["re: a", "re: b", "re: c"]);
    });

    it("tells by a probe whether somebody is there, without disturbing the order", async () => {
      const pool = poolOf([use(await start()), use(await start("127.0.0.2"))]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      await Promise.all([ann, ben].map((router) => untilBrokers(router, () => router.hints().length === 2)));
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      await pipe.send("before");
      const found = await pipe.probe();
      await pipe.send("after");
      expect(found.reachable).toBe(true);
      expect(found.brokers.map(({ host }) => host).sort()).toEqual(["127.0.0.1", "127.0.0.2"]);
      expect(found.brokers[0]?.roundTripMs).toBeGreaterThan(0);
      expect(shown.map((message) => message.sequence)).toEqual([0, 1]);

      const nobody = await ann.probe(Keypair.generate().publicKeyHex, { timeoutMs: 200 });
      expect(nobody).toEqual({ reachable: false, brokers: [] });
    });

    it("says 0 for a peer that is not there, and on request what each broker did", async () => {
      const broker = use(await start());
      const ann = await startPeer(poolOf([broker]));
      const pipe = await ann.pipe(Keypair.generate().publicKeyHex);
      expect(await pipe.send("anybody?", { timeoutMs: 100 })).toBe(0);
      const error: unknown = await pipe.deliver("anybody?", { timeoutMs: 100 }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(NoAckError);
      expect(error).toMatchObject({ code: "NO_ACK", brokers: [{ host: broker.host, publishes: 1 }] });
    });

    it("numbers anew what no broker has seen, so that nobody waits for it", async () => {
      const broker = use(await start());
      const pool = poolOf([broker]);
      const ben = await startPeer(pool, { gapTimeoutMs: 60_000 });
      const shown = record(ben);
      const keys = Keypair.generate();
      let failing = false;
      const sign = async (part: Uint8Array): Promise<Uint8Array> => {
        if (failing) throw new Error("the token was pulled out");
        return await keys.sign(part);
      };
      const options = { getTime: Date.now, brokers: pool, families: ["IPv4"] as const };
      const ann = use(new Router({ publicKey: keys.publicKey, sign }, options));
      await ann.start();
      const pipe = await ann.pipe(ben.address);
      expect(await pipe.send("0")).toBe(1);
      for (const count of [1, 3]) {
        failing = true;
        const failed = Array.from({ length: count }, () => pipe.send("lost"));
        for (const { status } of await Promise.allSettled(failed)) expect(status).toBe("rejected");
        failing = false;
        expect(await pipe.send("next")).toBe(4);
      }
      await vi.waitUntil(() => shown.length === 3);
      expect(shown.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
    });

    it("keeps every character of a text", async () => {
      const pool = poolOf([use(await start())]);
      const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
      const shown = record(ben);
      const text = "\uFEFFa mark at the start, \u0000 and 👩\u200d👩";
      await (await ann.pipe(ben.address)).deliver(text);
      expect(shown[0]?.text()).toBe(text);
    });

    it("lets a router send to itself", async () => {
      const ann = await startPeer(poolOf([use(await start())]));
      const shown = record(ann);
      const pipe = await ann.pipe(ann.address);
      expect(await pipe.send("note")).toBe(4);
      expect(shown[0]?.from).toBe(ann.address);
    });
  });
}

describe("a pipe", () => {
  it("is made anew, unless the cache is used and has not expired", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ann = await startPeer(pool);
    const to = Keypair.generate().publicKeyHex;
    const first = await ann.pipe(to, { useCache: true });
    expect(await ann.pipe(to)).not.toBe(first);
    expect(await ann.pipe(to.toUpperCase(), { useCache: true })).toBe(first);
    expect(await ann.pipe(to, { useCache: true, expiryMs: 0 })).not.toBe(first);
    const latest = await ann.pipe(to, { useCache: true });
    latest.close();
    expect(await ann.pipe(to, { useCache: true })).not.toBe(latest);
    await expect(latest.send("late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("finishes what was sent before it was closed", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    const sends = Array.from({ length: 200 }, (_, i) => pipe.send(`${i}`));
    pipe.close();
    expect(Math.min(...(await Promise.all(sends)))).toBeGreaterThan(0);
    expect(shown).toHaveLength(200);
  });

  it("waits at the end of its scope for what was sent in it, acknowledged or not", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const settled: number[] = [];
    let closed: SmartPipe | undefined;
    {
      await using pipe = await ann.pipe(ben.address, { useCache: true });
      await using toNobody = await ann.pipe(Keypair.generate().publicKeyHex);
      for (let i = 0; i < 200; i++) void pipe.send(`${i}`).then((bytes) => settled.push(bytes));
      void toNobody.send("anybody?", { timeoutMs: 500 }).then((bytes) => settled.push(bytes));
      closed = pipe;
    }
    expect(shown).toHaveLength(200);
    expect(settled).toHaveLength(201);
    expect(settled.filter((bytes) => bytes === 0)).toHaveLength(1);
    await expect(closed.send("late")).rejects.toMatchObject({ code: "CLOSED" });
    expect(await ann.pipe(ben.address, { useCache: true })).not.toBe(closed);
  });

  it("stops waiting when its caller does, and goes on with the next message", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool, { gapTimeoutMs: 50 })]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    const controller = new AbortController();
    const aborted = pipe.send("one", { signal: controller.signal });
    controller.abort(new Error("changed my mind"));
    const error: unknown = await aborted.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SidewireError);
    expect(error).toMatchObject({ name: "AbortError", code: "ABORTED", cause: new Error("changed my mind") });
    await expect(pipe.send("two", { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: "ABORTED",
    });
    expect(await pipe.send("three")).toBe(5);
    expect(shown.at(-1)?.text()).toBe("three");
  });

  it("copies what it is given: the array may be used again at once", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    const bytes = Uint8Array.of(1, 2, 3);
    const sent = pipe.send(bytes);
    bytes.fill(9);
    await sent;
    expect([...(shown[0]?.data ?? [])]).toEqual([1, 2, 3]);
  });
});

describe("the handlers of a pipe", () => {
  it("get what its peer says, once, until they are removed or the pipe is closed", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben, eve] = await Promise.all([startPeer(pool), startPeer(pool), startPeer(pool)]);
    const [toBen, another] = [await ann.pipe(ben.address), await ann.pipe(ben.address)];
    const [first, second, third]: [string[], string[], string[]] = [[], [], []];
    const handler = (message: { text(): string }): number => first.push(message.text());
    toBen.addMessageHandler(handler);
    toBen.addMessageHandler(handler);
    const remove = toBen.addMessageHandler((message) => second.push(message.text()));
    another.addMessageHandler((message) => third.push(message.text()));
    const [fromBen, fromEve] = [await ben.pipe(ann.address), await eve.pipe(ann.address)];
    expect(await fromEve.send("eve's")).toBe(5);
    expect(await fromBen.send("one")).toBe(3);
    remove();
    expect(await fromBen.send("two")).toBe(3);
    toBen.close();
    expect(await fromBen.send("three")).toBe(5);
    expect([first, second, third]).toEqual([["one", "two"], ["one"], ["one", "two", "three"]]);
    expect(() => toBen.addMessageHandler(handler)).toThrow(expect.objectContaining({ code: "CLOSED" }));
    // A caller without types may pass anything.
    expect(() => another.addMessageHandler(undefined as never)).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", path: "handler" }),
    );

    // What nobody was handed has waited for somebody who takes it.
    const rest: string[] = [];
    ann.addMessageHandler((message) => rest.push(message.text()));
    expect(rest).toEqual(["eve's"]);
  });

  it("are not kept from their peer by what others say, which nobody takes", { timeout: 30_000 }, async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben, eve] = await Promise.all([startPeer(pool), startPeer(pool), startPeer(pool)]);
    const texts: string[] = [];
    (await ann.pipe(ben.address)).addMessageHandler((message) => texts.push(message.text()));
    const [fromBen, fromEve] = [await ben.pipe(ann.address), await eve.pipe(ann.address)];
    const eves = await Promise.all(Array.from({ length: 1024 }, (_, i) => fromEve.send(`${i}`)));
    expect(eves).not.toContain(0);
    expect(await fromEve.send("one too many", { timeoutMs: 300 })).toBe(0);
    expect(await fromBen.send("hello")).toBe(5);
    expect(texts).toEqual(["hello"]);
  });
});

describe("what the application is handed", () => {
  it("goes to every handler once, whatever another one throws", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const texts: string[] = [];
    const errors: unknown[] = [];
    const handler = (message: { text(): string }): number => texts.push(message.text());
    ben.on("handlerError", ({ error, message }) => errors.push([error, message?.text()]));
    ben.addMessageHandler(() => {
      throw new Error("thrown");
    });
    ben.addMessageHandler(() => Promise.reject(new Error("rejected")));
    ben.on("message", () => {
      throw new Error("in a listener");
    });
    ben.addMessageHandler(handler);
    const remove = ben.addMessageHandler(handler);
    const pipe = await ann.pipe(ben.address);
    expect(await pipe.send("one")).toBe(3);
    expect(await pipe.send("two")).toBe(3);
    remove();
    expect(await pipe.send("three")).toBe(5);
    expect(texts).toEqual(["one", "two"]);
    expect(errors).toContainEqual([new Error("thrown"), "one"]);
    expect(errors).toContainEqual([new Error("rejected"), "two"]);
    expect(errors).toContainEqual([new Error("in a listener"), "one"]);
  });

  it("waits for the first handler, and is refused when too much waits", { timeout: 30_000 }, async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const pipe = await ann.pipe(ben.address);
    const sent = await Promise.all(Array.from({ length: 1024 }, (_, i) => pipe.send(`${i}`)));
    expect(sent).not.toContain(0);
    expect(await pipe.send("one too many", { timeoutMs: 500 })).toBe(0);
    const texts: string[] = [];
    ben.addMessageHandler((message) => texts.push(message.text()));
    expect(texts).toEqual(Array.from({ length: 1024 }, (_, i) => `${i}`));
    expect(ben.stats().dropped.full).toBeGreaterThan(0);
  });

  it("is asked for by address before a signature is checked", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, mallory] = await Promise.all([startPeer(pool), startPeer(pool)]);
    let checks = 0;
    const ben = await startPeer(pool, {
      accept: (from) => from === ann.address,
      verify: () => {
        checks++;
        return true;
      },
    });
    const shown = record(ben);
    const fromMallory = await mallory.pipe(ben.address);
    expect(await fromMallory.send("let me in", { timeoutMs: 500 })).toBe(0);
    expect(checks).toBe(0);
    const fromAnn = await ann.pipe(ben.address);
    expect(await fromAnn.send("it's me")).toBe(7);
    expect(shown.map((message) => message.text())).toEqual(["it's me"]);
    expect(ben.stats().dropped["not-accepted"]).toBeGreaterThan(0);
  });

  it("comes from any identity that can sign", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const keys = Keypair.generate();
    const token = { publicKey: keys.publicKey, sign: async (part: Uint8Array) => await keys.sign(part) };
    const ann = new Router(token, { getTime: Date.now, brokers: pool, families: ["IPv4"] });
    use(ann);
    await ann.start();
    const ben = await startPeer(pool);
    const shown = record(ben);
    expect(await (await ann.pipe(ben.address)).send("signed elsewhere")).toBe(16);
    expect(shown[0]?.from).toBe(keys.publicKeyHex);
    makePeer(pool);
  });
});
