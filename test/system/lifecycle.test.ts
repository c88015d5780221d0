import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { Keypair, Router, SidewireError } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { startBroker } from "../support/needs.js";
import { makePeer, poolOf, record, startPeer, use } from "../support/peers.js";

/** Runs a program that gets the pool as JSON; resolves when the process has ended by itself. */
async function runProgram(body: string, pool: unknown): Promise<{ output: string; code: number | null }> {
  const program = `
    import { Keypair, Router } from "sidewire";
    const brokers = ${JSON.stringify(pool)};
    const make = () => new Router(Keypair.generate(), { getTime: Date.now, brokers, families: ["IPv4"] });
    ${body}`;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  // Its exit code, or null after a signal.
  const [code] = (await once(child, "close")) as [number | null];
  return { output, code };
}

describe("a program", () => {
  it("ends by itself once its routers are closed, whatever they were doing", {
    timeout: 30_000,
  }, async () => {
    const broker = use(await startEmbeddedBroker());
    const dead = { host: "127.0.0.9", port: 1 };
    const { output, code } = await runProgram(
      `const [a, b, c] = [make(), make(), make()];
       await Promise.all([a.start(), b.start()]);
       const pipe = await a.pipe(b.address);
       b.addMessageHandler(() => {});
       console.log(await pipe.send("hello"));
       void pipe.send("nobody waits for this");
       void a.probe("${Keypair.generate().publicKeyHex}").catch(() => {});
       void c.start().catch(() => {});
       void (async () => { for await (const message of b.messages()); console.log("iterator ended"); })();
       await Promise.all([a.close(), b.close(), c.close()]);
       console.log(process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|Socket/.test(name)).join() || "nothing left");`,
      poolOf([broker, dead]),
    );
    expect(output.trim().split("\n")).toEqual(["5", "iterator ended", "nothing left"]);
    expect(code).toBe(0);
  });
});

describe("close", () => {
  it("lets what is in flight end, and takes nothing more", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    const sends = Array.from({ length: 100 }, (_, i) => pipe.send(`${i}`));
    const closed = ann.close();
    const again = ann.close();
    await expect(pipe.send("late")).rejects.toMatchObject({ code: "CLOSED" });
    await expect(ann.pipe(ben.address)).rejects.toMatchObject({ code: "CLOSED" });
    await expect(ann.start()).rejects.toMatchObject({ code: "CLOSED" });
    expect(await Promise.all(sends)).not.toContain(0);
    await Promise.all([closed, again]);
    expect(shown).toHaveLength(100);
    // What each broker did is told after the end as well.
    expect(ann.stats().brokers).toMatchObject([{ acknowledged: 100 }]);
  });

  it("is immediate with a signal that has fired: what waits is told so", async () => {
    const ann = await startPeer(poolOf([use(await startEmbeddedBroker())]));
    const pipe = await ann.pipe(Keypair.generate().publicKeyHex);
    const sent = pipe.send("nobody").catch((error: unknown) => error);
    const before = performance.now();
    await ann.close({ signal: AbortSignal.abort() });
    expect(performance.now() - before).toBeLessThan(500);
    expect(await sent).toMatchObject({ code: "CLOSED" });
  });

  it("hands over what was acknowledged behind a gap", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ben = await startPeer(pool, { gapTimeoutMs: 60_000 });
    const ann = await startPeer(pool);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    let sends = 0;
    // The first message's signature never comes, so that its place stays empty.
    const keys = Keypair.generate();
    const stuck = new Router(
      {
        publicKey: keys.publicKey,
        sign: (part) => (sends++ === 0 ? new Promise(() => {}) : keys.sign(part)),
      },
      { getTime: Date.now, brokers: pool, families: ["IPv4"] },
    );
    use({ [Symbol.asyncDispose]: () => stuck.close({ signal: AbortSignal.abort() }) });
    await stuck.start();
    const gapped = await stuck.pipe(ben.address);
    void gapped.send("never signed").catch(() => {});
    expect(await gapped.send("behind the gap")).toBe(14);
    expect(await pipe.send("other queue")).toBe(11);
    expect(shown.map((message) => message.text())).toEqual(["other queue"]);
    await ben.close();
    expect(shown.map((message) => message.text())).toEqual(["other queue", "behind the gap"]);
  });

  it("acknowledges nothing any more whose signature is still being checked", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const keys = Keypair.generate();
    let signatures = 0;
    const sign = async (part: Uint8Array): Promise<Uint8Array> => {
      signatures++;
      return keys.sign(part);
    };
    const checks: ((valid: boolean) => void)[] = [];
    const verify = (): Promise<boolean> => new Promise((resolve) => checks.push(resolve));
    const ben = new Router(
      { publicKey: keys.publicKey, sign },
      { getTime: Date.now, brokers: pool, families: ["IPv4"], verify },
    );
    use({ [Symbol.asyncDispose]: () => ben.close({ signal: AbortSignal.abort() }) });
    const [ann] = await Promise.all([startPeer(pool), ben.start()]);
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    // In order, and behind a gap.
    const sent = [pipe.send("first", { timeoutMs: 500 }), pipe.send("second", { timeoutMs: 500 })];
    await vi.waitUntil(() => checks.length === 2);
    const closed = ben.close({ signal: AbortSignal.abort() });
    for (const resolve of checks.toReversed()) resolve(true);
    await closed;
    expect(await Promise.all(sent)).toEqual([0, 0]);
    expect([signatures, shown, ben.stats().dropped]).toEqual([0, [], {}]);
  });

  it("does not hang on a frozen broker", async () => {
    const broker = use(await startBroker());
    const ann = await startPeer(poolOf([broker]));
    broker.freeze();
    const before = performance.now();
    await ann.close();
    expect(performance.now() - before).toBeLessThan(3000);
    broker.thaw();
  });

  it("comes with the end of an `await using`", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ann = makePeer(pool);
    await ann.start();
    await ann[Symbol.asyncDispose]();
    await expect(ann.pipe(ann.address)).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("ends a pipe that is being opened, and leaves no timer", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const answers: ((hints: []) => void)[] = [];
    const asked = (address: string): Promise<[]> | undefined =>
      address === nobody ? new Promise((resolve) => answers.push(resolve)) : undefined;
    const hintStore = { get: asked, set: () => {} };
    const nobody = Keypair.generate().publicKeyHex;
    const ann = await startPeer(pool, { hintStore });
    const opened = ann.pipe(nobody).catch((error: unknown) => error);
    await vi.waitUntil(() => answers.length > 0);
    await ann.close({ signal: AbortSignal.abort() });
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    answers[0]?.([]);
    expect(await opened).toMatchObject({ code: "CLOSED" });
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("is no failure of a handler that was about to reply", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const errors: unknown[] = [];
    ben.on("handlerError", ({ error }) => errors.push(error));
    // Keeps the end waiting.
    const nobody = await ben.pipe(Keypair.generate().publicKeyHex);
    const kept = nobody.send("anybody?", { timeoutMs: 1000 });
    let closed: Promise<void> | undefined;
    const replied = new Promise<unknown>((resolve) => {
      ben.addMessageHandler(async (message) => {
        closed = ben.close();
        const reply = message.reply("too late");
        resolve(await reply.catch((error: unknown) => error));
        await reply;
      });
    });
    expect(await (await ann.pipe(ben.address)).send("hello")).toBe(5);
    expect(await replied).toMatchObject({ code: "CLOSED" });
    expect(await kept).toBe(0);
    await closed;
    expect(errors).toEqual([]);
  });

  it("refuses what is no options", async () => {
    const ann = await startPeer(poolOf([use(await startEmbeddedBroker())]));
    // What a caller without types may pass.
    const nothing = null as unknown as { signal: AbortSignal };
    await expect(ann.close(nothing)).rejects.toMatchObject({ code: "INVALID_OPTION", path: "options" });
    expect(() => ann.messages(nothing)).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
    await (await ann.pipe(ann.address)).deliver("still there");
  });

  it("ends a start that waits", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ann = makePeer(pool);
    const started = ann.start().catch((error: unknown) => error);
    await ann.close();
    expect(await started).toMatchObject({ code: "CLOSED" });
  });
});

describe("start", () => {
  it("counts once when called twice", async () => {
    const broker = use(await startEmbeddedBroker());
    const ann = makePeer(poolOf([broker]));
    await Promise.all([ann.start(), ann.start()]);
    await ann.start();
    expect(broker.connections).toBe(1);
  });

  it("is needed before a pipe", async () => {
    const ann = makePeer(poolOf([{ host: "127.0.0.1", port: 1 }]));
    await expect(ann.pipe(ann.address)).rejects.toMatchObject({ code: "NOT_STARTED" });
    await ann.close();
  });

  it("leaves no rejection behind, whenever its signal fires", async () => {
    // Nobody listens there.
    const pool = poolOf([{ host: "127.0.0.1", port: 1 }]);
    for (let turns = 0; turns < 16; turns++) {
      const ann = makePeer(pool);
      const controller = new AbortController();
      const started = ann.start({ signal: controller.signal }).catch((error: unknown) => error);
      for (let i = 0; i < turns; i++) await Promise.resolve();
      controller.abort();
      expect(await started).toMatchObject({ code: "ABORTED" });
      // The test runner reports what nobody handled.
      await ann.close();
    }
  });

  it("does nothing when its signal has fired already", async () => {
    const broker = use(await startEmbeddedBroker());
    const ann = makePeer(poolOf([broker]));
    await expect(ann.start({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ABORTED" });
    expect(broker.connections).toBe(0);
  });
});

describe("a bad address", () => {
  it.each(["", "03ab", "zz".repeat(33), `05${"ab".repeat(32)}`, `02${"ff".repeat(32)}`, undefined])(
    "%s is named",
    async (address) => {
      const ann = await startPeer(poolOf([use(await startEmbeddedBroker())]));
      // What a caller without types may pass.
      const error: unknown = await ann.pipe(address as string).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(SidewireError);
      expect(error).toMatchObject({ code: "INVALID_ADDRESS", path: "destination" });
    },
  );
});

describe("a machine that wakes, or was set back to an earlier state", () => {
  it("numbers the messages of a pipe in a new queue: under the old numbers they would pass for copies", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    let offset = 0;
    const getTime = (): number => Date.now() + offset;
    const [ann, ben] = [await startPeer(pool, { getTime }), await startPeer(pool, { getTime })];
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    await pipe.deliver("before");
    offset = 60_000;
    await vi.waitFor(
      async () => {
        await pipe.deliver("after");
        expect(shown.at(-1)?.queueId).not.toBe(shown[0]?.queueId);
      },
      { timeout: 10_000, interval: 100 },
    );
    expect(shown.at(-1)?.sequence).toBe(0);
    const { length } = shown;
    await pipe.deliver("and later");
    expect(shown.slice(length - 1).map(({ sequence }) => sequence)).toEqual([0, 1]);
  });
});

describe("a clock that fails", () => {
  it("is reported, and harms nothing else", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    let now: () => number = () => Number.NaN;
    const ann = await startPeer(pool, { getTime: () => now() });
    const ben = await startPeer(pool);
    const errors: unknown[] = [];
    ann.on("handlerError", ({ error }) => errors.push(error));
    const toAnn = await ben.pipe(ann.address);
    expect(await toAnn.send("what time is it?", { timeoutMs: 500 })).toBe(0);
    expect(errors[0]).toMatchObject({ code: "INVALID_OPTION", path: "getTime" });
    await expect((await ann.pipe(ben.address)).send("x")).rejects.toMatchObject({ path: "getTime" });
    now = Date.now;
    const shown = ann.messages();
    expect(await toAnn.send("and now?")).toBe(8);
    const { value: message } = await shown.next();
    expect(message?.text()).toBe("and now?");
  });

  it("that is ahead by ten minutes is told, besides the drop", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ann = await startPeer(pool);
    const ben = await startPeer(pool, { getTime: () => Date.now() + 600_000 });
    const skew = new Promise<{ from: string; offsetMs: number }>((resolve) => ann.once("skew", resolve));
    const dropped = new Promise<{ reason: string; ageMs?: number }>((resolve) =>
      ann.once("dropped", (drop) => resolve({ ...drop, ageMs: drop.ageMs ?? Number.NaN })),
    );
    expect(await (await ben.pipe(ann.address)).send("tick", { timeoutMs: 500 })).toBe(0);
    expect(await skew).toMatchObject({ from: ben.address });
    expect(Math.abs((await skew).offsetMs - 600_000)).toBeLessThan(3000);
    expect(await dropped).toMatchObject({ reason: "too-new" });
    expect(Math.abs(((await dropped).ageMs ?? 0) + 600_000)).toBeLessThan(3000);
  });

  it("that is off by a minute is told by the skew event and the receipt", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ann = await startPeer(pool);
    const ben = await startPeer(pool, { getTime: () => Date.now() + 60_000 });
    const skews: { from: string; offsetMs: number }[] = [];
    ann.on("skew", (event) => skews.push(event));
    const receipt = await (await ann.pipe(ben.address)).deliver("tick");
    expect(Math.abs(receipt.remoteClockOffsetMs - 60_000)).toBeLessThan(3000);
    expect(skews).toHaveLength(1);
    expect(skews[0]?.from).toBe(ben.address);
    expect(Math.abs((skews[0]?.offsetMs ?? 0) - 60_000)).toBeLessThan(3000);
  });
});
