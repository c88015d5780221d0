import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  type BrokerPool,
  type Identity,
  type InboundMessage,
  Keypair,
  Router,
  type RouterOptions,
} from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { makePeer, poolOf, record, startPeer, use } from "../support/peers.js";

async function startPool(): Promise<BrokerPool> {
  return poolOf([use(await startEmbeddedBroker())]);
}

/** A router with an identity of the test's, closed at the end. */
async function startAs(
  identity: Identity,
  brokers: BrokerPool,
  options: Partial<RouterOptions> = {},
): Promise<Router> {
  const router = new Router(identity, { getTime: Date.now, brokers, families: ["IPv4"], ...options });
  onTestFinished(() => router.close({ signal: AbortSignal.abort() }));
  await router.start();
  return router;
}

function nextMessage(router: Router): Promise<InboundMessage> {
  return new Promise((resolve) => router.once("message", resolve));
}

/** An agent that signs when it is told to. */
class Agent implements Identity {
  readonly #keys = Keypair.generate();
  readonly publicKey: Uint8Array = this.#keys.publicKey;
  hangs = false;
  asked = 0;

  sign(part: Uint8Array): Uint8Array | Promise<Uint8Array> {
    this.asked++;
    return this.hangs ? new Promise(() => {}) : this.#keys.sign(part);
  }
}

describe("close", () => {
  it("lets a reply go out that was begun just before", async () => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ann);
    const asked = nextMessage(ben);
    await (await ann.pipe(ben.address)).send("what time is it?");
    const message = await asked;
    const data = new TextEncoder().encode("noon");
    const replied = message.reply(data);
    // The caller's array is the caller's again at once.
    data.fill(0);
    await ben.close();
    expect(await replied).toBe(4);
    expect(shown.map((each) => each.text())).toEqual(["noon"]);
    await expect(message.reply("late")).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("lets a probe end that was begun just before", async () => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const probed = ann.probe(ben.address);
    await ann.close();
    expect(await probed).toMatchObject({ reachable: true });
  });

  it("waits until the hint store has taken what every address was given", async () => {
    const pool = await startPool();
    const taken: string[] = [];
    const hintStore = {
      get: () => undefined,
      set: async (address: string) => {
        // The first takes longest.
        await pause(taken.length === 0 ? 300 : 100);
        taken.push(address);
      },
    };
    const ann = await startPeer(pool, { hintStore });
    const peers = await Promise.all([startPeer(pool), startPeer(pool)]);
    for (const peer of peers) await (await ann.pipe(peer.address)).deliver("hello");
    await ann.close();
    expect(taken).toEqual(expect.arrayContaining([ann.address, ...peers.map(({ address }) => address)]));
  });

  it("is held up for a second by a signer that owes an ACK, and not at all when it is immediate", async () => {
    const pool = await startPool();
    const ann = await startPeer(pool);
    for (const [signal, leastMs, mostMs] of [
      [undefined, 900, 3000],
      [AbortSignal.abort(), 0, 900],
    ] as const) {
      const agent = new Agent();
      const ben = await startAs(agent, pool);
      const shown = nextMessage(ben);
      agent.hangs = true;
      const sent = (await ann.pipe(ben.address)).send("hello", { timeoutMs: 300 });
      await shown;
      const before = performance.now();
      await ben.close(signal && { signal });
      const tookMs = performance.now() - before;
      expect(tookMs).toBeGreaterThan(leastMs);
      expect(tookMs).toBeLessThan(mostMs);
      expect(await sent).toBe(0);
    }
  });
});

describe("many sends under one signal", () => {
  it("warn of nothing, and leave no listener", async () => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on("warning", note);
    onTestFinished(() => void process.off("warning", note));
    const { signal } = new AbortController();
    const [added, removed] = [vi.spyOn(signal, "addEventListener"), vi.spyOn(signal, "removeEventListener")];
    const pipe = await ann.pipe(ben.address, { signal });
    const readers = Array.from({ length: 20 }, () => ben.messages({ signal }));
    const results = await Promise.all([
      ...Array.from({ length: 100 }, () => pipe.send("x", { signal })),
      ...Array.from({ length: 20 }, () => ann.probe(ben.address, { signal }).then(() => 1)),
    ]);
    expect(results).toEqual(results.map(() => 1));
    for (const reader of readers) await reader.return?.();
    await pause(1);
    expect(warnings).toEqual([]);
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });
});

describe("a clock that fails once", () => {
  it.each<[string, () => number]>([
    ["gives NaN", () => Number.NaN],
    ["counts seconds", () => Math.floor(Date.now() / 1000)],
    [
      "throws",
      () => {
        throw new Error("no time");
      },
    ],
  ])("(%s) while something is sent, is an error of that send, and leaves no gap", async (_, fail) => {
    const pool = await startPool();
    const ben = await startPeer(pool, { gapTimeoutMs: 60_000 });
    let isBad = false;
    const ann = await startPeer(pool, { getTime: () => (isBad ? fail() : Date.now()) });
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    isBad = true;
    await expect(pipe.send("lost")).rejects.toMatchObject({ code: "INVALID_OPTION", path: "getTime" });
    await expect(pipe.probe()).rejects.toMatchObject({ code: "INVALID_OPTION", path: "getTime" });
    isBad = false;
    expect(await pipe.send("hello")).toBe(5);
    expect(shown.map((message) => message.text())).toEqual(["hello"]);
  });

  it("after the message has left makes no failure of what was delivered", async () => {
    const pool = await startPool();
    const ben = await startPeer(pool);
    let left = Number.POSITIVE_INFINITY;
    const getTime = (): number => (left-- > 0 ? Date.now() : Number.NaN);
    const ann = await startPeer(pool, { getTime });
    const errors: unknown[] = [];
    ann.on("handlerError", ({ error }) => errors.push(error));
    const pipe = await ann.pipe(ben.address);
    left = 1;
    const { bytes, remoteClockOffsetMs } = await pipe.deliver("hello");
    expect(bytes).toBe(5);
    expect(Math.abs(remoteClockOffsetMs)).toBeLessThan(2000);
    left = 1;
    expect(await pipe.probe()).toMatchObject({ reachable: true });
    // Told once, though it failed for each ACK.
    expect(errors).toEqual([expect.objectContaining({ path: "getTime" })]);
  });

  it("while something comes in loses nothing that was acknowledged, whichever look it is", async () => {
    const pool = await startPool();
    const ann = await startPeer(pool);
    for (const bad of [0, 1, 2, 3, 4]) {
      let looks = Number.NEGATIVE_INFINITY;
      const getTime = (): number => (looks++ === bad ? Number.NaN : Date.now());
      const ben = await startPeer(pool, { getTime });
      ben.on("handlerError", () => {});
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      looks = 0;
      const sent = await Promise.all(["a", "b", "c"].map((text) => pipe.send(text)));
      expect(sent, `look ${bad}`).toEqual([1, 1, 1]);
      expect(
        shown.map((message) => message.text()),
        `look ${bad}`,
      ).toEqual(["a", "b", "c"]);
      await ben.close();
    }
  });
});

describe("a signer that hangs", () => {
  it("is waited for as long as the message may take, and leaves no gap", async () => {
    const pool = await startPool();
    const ben = await startPeer(pool, { gapTimeoutMs: 60_000 });
    const agent = new Agent();
    const ann = await startAs(agent, pool);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    agent.hangs = true;
    const before = performance.now();
    expect(await pipe.send("never", { timeoutMs: 200 })).toBe(0);
    const error: unknown = await pipe.deliver("never", { timeoutMs: 100 }).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "NO_ACK",
      brokers: [],
      message: expect.stringContaining("not signed"),
    });
    expect(await pipe.probe({ timeoutMs: 100 })).toEqual({ reachable: false, brokers: [] });
    expect(performance.now() - before).toBeLessThan(3000);
    agent.hangs = false;
    expect(await pipe.send("hello")).toBe(5);
    expect(shown.map((message) => message.text())).toEqual(["hello"]);
  });

  it("is left by the signal, and by an immediate close", async () => {
    const pool = await startPool();
    const agent = new Agent();
    const ann = await startAs(agent, pool);
    const pipe = await ann.pipe(Keypair.generate().publicKeyHex);
    agent.hangs = true;
    const controller = new AbortController();
    const aborted = pipe.send("never", { signal: controller.signal }).catch((e: unknown) => e);
    const closed = pipe.send("never").catch((e: unknown) => e);
    await vi.waitUntil(() => agent.asked === 2);
    controller.abort();
    expect(await aborted).toMatchObject({ code: "ABORTED" });
    await ann.close({ signal: AbortSignal.abort() });
    expect(await closed).toMatchObject({ code: "CLOSED" });
  });
});

describe("an option that is none", () => {
  it("is named by every call that takes options", async () => {
    const pool = await startPool();
    const ann = await startPeer(pool);
    const pipe = await ann.pipe(ann.address);
    const asked = nextMessage(ann);
    await pipe.deliver("hello");
    const message = await asked;
    // What a caller without types may pass.
    const bad = { timeout: 5 } as unknown as { signal?: AbortSignal };
    const calls: Record<string, () => unknown> = {
      start: () => makePeer(pool).start(bad),
      pipe: () => ann.pipe(ann.address, bad),
      probe: () => ann.probe(ann.address, bad),
      messages: () => ann.messages(bad),
      close: () => ann.close(bad),
      send: () => pipe.send("x", bad),
      deliver: () => pipe.deliver("x", bad),
      "pipe.probe": () => pipe.probe(bad),
      reply: () => message.reply("x", bad),
    };
    for (const [name, call] of Object.entries(calls)) {
      const error: unknown = await (async () => await call())().catch((e: unknown) => e);
      expect(error, name).toMatchObject({ code: "INVALID_OPTION", path: "timeout" });
    }
    // Nothing of it was done.
    expect(await pipe.send("still there")).toBe(11);
  });
});
