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

/** Sends so many messages, numbered from `first`; resolves with how many bytes of each were acknowledged. */
async function sendMany(
  from: Router,
  to: string,
  first: number,
  count: number,
  timeoutMs = 2500,
): Promise<number[]> {
  const pipe = await from.pipe(to, { useCache: true });
  return await Promise.all(
    Array.from({ length: count }, (_, i) => pipe.send(`${first + i}`.padStart(5, "0"), { timeoutMs })),
  );
}

describe("a listener that comes late", () => {
  const ways: [string, (router: Router, show: (message: InboundMessage) => void) => unknown][] = [
    ["on", (router, show) => router.on("message", show)],
    ["addListener", (router, show) => router.addListener("message", show)],
    ["addMessageHandler", (router, show) => router.addMessageHandler(show)],
    [
      "messages",
      async (router, show) => {
        for await (const message of router.messages()) show(message);
      },
    ],
  ];

  it.each(ways)("(%s) is handed all that was acknowledged, and the router takes more", async (_, come) => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const sent = await sendMany(ann, ben.address, 0, 1100);
    expect(ben.stats().dropped.full).toBeGreaterThan(0);
    expect(sent).toContain(0);
    const { received } = ben.stats();
    // And what came out of a gap with the last of them.
    expect(received).toBeGreaterThanOrEqual(1024);
    expect(received).toBeLessThan(1024 + 64);
    const shown: string[] = [];
    void come(ben, (message) => shown.push(message.text()));
    await vi.waitUntil(() => shown.length === received);
    const more = await sendMany(ann, ben.address, 1100, 100);
    expect(more).toEqual(more.map(() => 5));
    // Behind the gap that the refused ones left.
    await vi.waitUntil(() => shown.at(-1) === "01199", { timeout: 10_000 });
    const acknowledged = [...sent, ...more].flatMap((bytes, i) => (bytes > 0 ? `${i}`.padStart(5, "0") : []));
    expect(shown.filter((text) => acknowledged.includes(text))).toEqual(acknowledged);
    expect(shown).toHaveLength(ben.stats().received);
    expect(shown).toEqual([...new Set(shown)].sort());
  });

  it("with once is handed the first, and the next one the rest", async () => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    expect(await sendMany(ann, ben.address, 0, 3)).toEqual([5, 5, 5]);
    const first = await nextMessage(ben);
    const rest = record(ben);
    expect([first, ...rest].map((message) => message.text())).toEqual(["00000", "00001", "00002"]);
  });
});

describe("a listener that fails", () => {
  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken"))],
    ["rejects later", () => pause(5).then(() => Promise.reject(new Error("broken")))],
  ])("(%s) is a handlerError, whatever the event, and harms no other", async (_, fail) => {
    // The test runner reports what nobody handled.
    const pool = await startPool();
    const ann = makePeer(pool, {
      getTime: () => Date.now() - 60_000,
      accept: (from) => from === ben.address,
    });
    const ben = makePeer(pool);
    const others: string[] = [];
    for (const event of ["message", "broker", "dropped", "skew"] as const) {
      ann.on(event, fail as () => void);
      ann.on(event, () => void others.push(event));
    }
    const errors: { error: unknown; message?: InboundMessage | undefined }[] = [];
    ann.on("handlerError", (event) => errors.push(event));
    const stranger = makePeer(pool);
    await Promise.all([ann, ben, stranger].map((router) => router.start()));
    expect(await (await ben.pipe(ann.address)).send("hello")).toBe(5);
    expect(await (await stranger.pipe(ann.address)).send("hello", { timeoutMs: 300 })).toBe(0);
    await vi.waitUntil(() => errors.length === others.length, { timeout: 5000 });
    expect(new Set(others)).toEqual(new Set(["message", "broker", "dropped", "skew"]));
    for (const { error } of errors) expect(error).toMatchObject({ message: "broken" });
    expect(errors.filter(({ message }) => message !== undefined)).toHaveLength(1);
  });

  it("to hear of failures is told of on the console, once for each, and not to itself", async () => {
    const pool = await startPool();
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    onTestFinished(() => told.mockRestore());
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const heard: unknown[] = [];
    ann.on("handlerError", ({ error }) => {
      heard.push(error);
      throw new Error("worse");
    });
    ann.on("handlerError", async () => {
      throw new Error("worse still");
    });
    ann.addMessageHandler(() => {
      throw new Error("broken");
    });
    expect(await (await ben.pipe(ann.address)).send("hello")).toBe(5);
    await vi.waitUntil(() => told.mock.calls.length >= 2);
    expect(heard).toEqual([expect.objectContaining({ message: "broken" })]);
    expect(told.mock.calls.map(([, error]) => error)).toEqual([
      expect.objectContaining({ message: "worse" }),
      expect.objectContaining({ message: "worse still" }),
    ]);
  });

  it("is told of now and then where strangers can call it as often as they like", async () => {
    const pool = await startPool();
    const ann = await startPeer(pool, {
      accept: () => {
        throw new Error("no list");
      },
    });
    const ben = await startPeer(pool);
    const errors: unknown[] = [];
    ann.on("handlerError", ({ error }) => errors.push(error));
    const sent = await sendMany(ben, ann.address, 0, 50);
    expect(sent).toEqual(sent.map(() => 0));
    expect(ann.stats().dropped["not-accepted"]).toBeGreaterThanOrEqual(50);
    // At most one in ten seconds.
    expect(errors).toEqual([expect.objectContaining({ message: "no list" })]);
  });
});

describe("handlers that take long", () => {
  it("are back-pressure: 1024 run at once, then messages are refused, and taken when some have ended", async () => {
    const pool = await startPool();
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const begun: string[] = [];
    const open: (() => void)[] = [];
    ben.on("message", async (message) => {
      begun.push(message.text());
      await new Promise<void>((resolve) => open.push(resolve));
    });
    const sent = await sendMany(ann, ben.address, 0, 1500);
    expect(begun).toHaveLength(1024);
    expect(sent).toContain(0);
    // Those that came out of a gap with the last of them wait.
    expect(ben.stats().received).toBeLessThan(1024 + 64);
    expect(ben.stats().dropped.full).toBeGreaterThan(0);
    for (const resolve of open.splice(0)) resolve();
    const more = await sendMany(ann, ben.address, 1500, 100);
    expect(more).toEqual(more.map(() => 5));
    await vi.waitUntil(() => begun.at(-1) === "01599", { timeout: 10_000 });
    expect(begun).toHaveLength(ben.stats().received);
    expect(begun).toEqual([...begun].sort());
  });

  it("that reply to each other's messages come to an end", async () => {
    const pool = await startPool();
    // However busy the machine, no gap is given up.
    const options = { gapTimeoutMs: 60_000 };
    const [ann, ben] = await Promise.all([startPeer(pool, options), startPeer(pool, options)]);
    const replies = { sent: 0, acknowledged: 0 };
    for (const router of [ann, ben]) {
      router.addMessageHandler(async (message) => {
        if (message.text() === "reply") return;
        replies.sent++;
        if ((await message.reply("reply")) > 0) replies.acknowledged++;
      });
    }
    const sent = (
      await Promise.all([
        sendMany(ann, ben.address, 0, 700, 15_000),
        sendMany(ben, ann.address, 0, 700, 15_000),
      ])
    ).flat();
    expect(sent).toEqual(sent.map(() => 5));
    await vi.waitUntil(() => replies.acknowledged === 1400, { timeout: 15_000 });
    expect(replies.sent).toBe(1400);
  }, 30_000);
});

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

  it("for one message does not take those behind it along", async () => {
    const pool = await startPool();
    const ben = await startPeer(pool);
    const agent = new Agent();
    const ann = await startAs(agent, pool);
    const pipe = await ann.pipe(ben.address);
    await pipe.deliver("hello");
    agent.hangs = true;
    const hung = pipe.send("never");
    await vi.waitUntil(() => agent.asked > 1);
    agent.hangs = false;
    const sent = await Promise.all(["a", "b", "c"].map((text) => pipe.send(text)));
    expect(sent).toEqual([1, 1, 1]);
    expect(await hung).toBe(0);
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
