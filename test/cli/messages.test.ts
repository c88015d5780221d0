import { existsSync, readdirSync, readFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { formatAddress, Keypair, type Router } from "../../src/index.js";
import { Home, objects } from "../support/command.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { startBroker } from "../support/needs.js";
import { poolOf, record, startPeer, use } from "../support/peers.js";

let home: Home;
let broker: EmbeddedBroker;

beforeEach(async () => {
  home = new Home();
  broker = use(await startEmbeddedBroker());
  home.write("pool.json", poolOf([broker]));
});

/** A peer of the library's own, on the test's broker. */
function peer(options: Parameters<typeof startPeer>[1] = {}): Promise<Router> {
  return startPeer(poolOf([broker]), options);
}

const POOL: readonly string[] = ["--brokers", "pool.json"];

describe("send", () => {
  it("prints the receipt, for people and as an object, wherever the options stand", async () => {
    home.makeKey();
    const ann = await peer();
    const shown = record(ann);
    const plain = await home.run([...POOL, "send", ann.address, "hello"]);
    expect(plain).toMatchObject({ code: 0, err: "" });
    expect(plain.out).toMatch(
      /^✓ 5 bytes delivered sealed, by 127\.0\.0\.1 \(IPv4\) in [\d.]+ ms, \d+ attempts? on 1 broker\n$/,
    );
    const json = await home.run(["send", ann.address.toUpperCase(), "hello again", "--json", ...POOL]);
    expect([json.code, json.err]).toEqual([0, ""]);
    const place = { family: "IPv4", host: "127.0.0.1", port: broker.port };
    expect(objects(json.out)).toEqual([
      {
        delivered: true,
        to: ann.address,
        sealed: true,
        bytes: 11,
        broker: place,
        roundTripMs: expect.any(Number),
        attempts: expect.any(Number),
        brokersTried: [place],
        remoteClockOffsetMs: expect.any(Number),
      },
    ]);
    expect(shown.map((message) => message.text())).toEqual(["hello", "hello again"]);
  });

  it("takes a text, a file, or stdin, byte for byte, and an empty message for one", async () => {
    const from = home.makeKey();
    const ann = await peer();
    const shown = record(ann);
    const bytes = Buffer.from([0, 255, 27, 10, 13, 128]);
    home.write("bytes", bytes);
    const asked: [string[], Buffer][] = [
      [["--file", "bytes"], Buffer.alloc(0)],
      [["-"], bytes],
      [[], bytes],
      [[""], Buffer.from("not read")],
      [["--", "--json"], Buffer.alloc(0)],
    ];
    for (const [args, input] of asked) {
      expect(await home.run(["send", ...POOL, ann.address, ...args], { input })).toMatchObject({ code: 0 });
    }
    expect(shown.map(({ data }) => Buffer.from(data))).toEqual([
      ...[bytes, bytes, bytes],
      Buffer.alloc(0),
      Buffer.from("--json"),
    ]);
    expect(new Set(shown.map((message) => message.from))).toEqual(new Set([from]));
  });

  it("seals, unless it is told not to, and says which it was", async () => {
    home.makeKey();
    const ann = await peer({ requireEncryption: true });
    const shown = record(ann);
    const sealed = await home.run(["send", ...POOL, ann.address, "secret", "--json"]);
    expect(objects(sealed.out)).toMatchObject([{ delivered: true, sealed: true }]);
    expect(shown.map((message) => [message.text(), message.sealed])).toEqual([["secret", true]]);
    // What scripts say that were written when it was an option.
    expect((await home.run(["send", ...POOL, ann.address, "secret", "--encrypt"])).code).toBe(0);
    const refused = await home.run(["send", ...POOL, ann.address, "open", "--plain", "--timeout", "2000"]);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("not delivered (plain): ")]);
    const anybody = await peer();
    const plain = await home.run(["send", ...POOL, anybody.address, "open", "--plain"]);
    expect(plain.out).toContain("✓ 4 bytes delivered plain, by ");
  });

  it("sends the longest message there can be", async () => {
    home.makeKey();
    const ann = await peer();
    const shown = record(ann);
    const { code } = await home.run(["send", ...POOL, ann.address], { input: Buffer.alloc(61_440, "x") });
    expect([code, shown[0]?.data.length]).toEqual([0, 61_440]);
  });

  it("ends with 1 and what each broker did when nobody answers", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const second = await startEmbeddedBroker("127.0.0.2");
    home.write("pool.json", poolOf([broker, second]));
    await second.close();
    const args = ["send", ...POOL, nobody, "hello", "--timeout", "2000"];
    const plain = await home.run(args);
    expect([plain.code, plain.out]).toEqual([1, ""]);
    expect(plain.err).toMatch(
      new RegExp(`^✗ not delivered \\(sealed\\): no answer from ${formatAddress(nobody)} within 2000 ms\n`),
    );
    expect(plain.err).toMatch(/^IPv4 +127\.0\.0\.1 +[123] +published, no answer$/m);
    expect(plain.err).toMatch(/^IPv4 +127\.0\.0\.2 +0 +connection refused$/m);
    const json = await home.run([...args, "--json"]);
    expect([json.code, json.err]).toEqual([1, ""]);
    const [{ brokers, ...answer } = {}] = objects(json.out);
    expect(answer).toEqual({ delivered: false, code: "NO_ACK", to: nobody, sealed: true });
    expect(brokers).toHaveLength(2);
    expect(brokers).toContainEqual({
      ...{ family: "IPv4", host: "127.0.0.1", port: broker.port },
      publishes: expect.any(Number),
    });
  });

  it("ends with 1 and each broker's reason when none can be reached", async () => {
    home.makeKey();
    await broker.close();
    const args = ["send", ...POOL, Keypair.generate().publicKeyHex, "hello"];
    const plain = await home.run(args);
    expect([plain.code, plain.out]).toEqual([1, ""]);
    expect(plain.err).toMatch(/^sidewire: no broker could be reached\n/);
    expect(plain.err).toMatch(/^IPv4 +127\.0\.0\.1 +connection refused$/m);
    const json = await home.run([...args, "--json"]);
    expect(json.code).toBe(1);
    expect(objects(json.err)).toMatchObject([{ code: "NO_BROKER", brokers: [{ host: "127.0.0.1" }] }]);
    home.write("pool.json", { IPv4: {} });
    expect((await home.run(args)).err).toBe("sidewire: the pool has no broker for this machine\n");
  });

  it("ends at once on SIGINT and SIGTERM, with the shell's codes", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const published = (): Promise<void> =>
      new Promise((resolve) => {
        broker.aedes.on("publish", ({ topic }) => {
          if (topic === nobody) resolve();
        });
      });
    for (const [signal, code] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const seen = published();
      const sending = home.start(["send", ...POOL, nobody, "hello", "--timeout", "600000"]);
      await seen;
      expect(await sending.stop(signal)).toEqual({ code, signal: null, out: "", err: "" });
    }
  });

  it("leaves alone what comes for its own key: nothing is acknowledged that nobody sees", async () => {
    const own = home.makeKey();
    const ann = await peer();
    const nobody = Keypair.generate().publicKeyHex;
    const connected = new Promise<void>((resolve) => {
      broker.aedes.on("subscribe", (topics) => {
        if (topics.some(({ topic }) => topic === own)) resolve();
      });
    });
    const sending = home.start(["send", ...POOL, nobody, "hello", "--timeout", "600000"]);
    await connected;
    const pipe = await ann.pipe(own);
    expect(await pipe.send("are you there?", { timeoutMs: 500 })).toBe(0);
    await sending.stop();
  });

  it("ends also where nothing can be kept", async () => {
    home.makeKey();
    const ann = await peer();
    const { code, err } = await home.run(["send", ...POOL, ann.address, "hello"], {
      env: { XDG_CACHE_HOME: "/proc/x" },
    });
    expect([code, err]).toEqual([0, ""]);
  });

  it("keeps where peers were found, for the pool that they were found in", async () => {
    home.makeKey();
    const ann = await peer();
    await home.run(["send", ...POOL, ann.address, "hello"]);
    const [file = "", ...more] = readdirSync(home.path("cache/sidewire"));
    expect(more).toEqual([]);
    expect(readFileSync(home.path(`cache/sidewire/${file}`), "utf8")).toContain(ann.address);
  });
});

describe("listen", () => {
  it("warns of a clock that is wrong, however many senders have one, once in a while", async () => {
    const address = home.makeKey();
    const listening = await home.listen([...POOL, "--json"]);
    const startedAt = performance.now();
    for (let i = 0; i < 5; i++) {
      const stranger = await peer({ getTime: () => Date.now() + 60_000 });
      await (await stranger.pipe(address)).deliver(`message ${i}`);
    }
    await listening.until(({ out }) => out.includes("message 4"));
    // One every ten seconds; on a machine that is as slow as that, one more.
    const most = 1 + Math.floor((performance.now() - startedAt) / 10_000);
    const { err } = await listening.stop();
    const warnings = objects(err).filter(({ code }) => code === "SKEW");
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.length).toBeLessThanOrEqual(most);
    expect(warnings[0]).toMatchObject({
      warning: expect.stringMatching(/^the clock of .{8,} is (59|60|61) s ahead of this one/),
      offsetMs: expect.any(Number),
    });
  });

  it("prints a line for each message: time, sender, and text or hex", async () => {
    const address = home.makeKey();
    const listening = await home.listen(POOL);
    expect(listening.err).toContain(formatAddress(address));
    const ann = await peer();
    const pipe = await ann.pipe(address);
    for (const data of ["hello", "zwölf €", Buffer.from([0xff, 0, 1]), ""]) await pipe.deliver(data);
    await listening.until(({ out }) => out.split("\n").length > 4);
    const { code, out } = await listening.stop();
    expect(code).toBe(0);
    const lines = out
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split("\t"));
    expect(lines.map(([, ...rest]) => rest)).toEqual(
      ["hello", "zwölf €", "0xff0001", ""].map((text) => [formatAddress(ann.address), "plain", text]),
    );
    for (const [time = ""] of lines) expect(new Date(time).toISOString()).toBe(time);
  });

  it("prints objects with --json", async () => {
    const address = home.makeKey();
    const listening = await home.listen([...POOL, "--json"]);
    const ann = await peer({ encrypt: true });
    const pipe = await ann.pipe(address);
    await pipe.deliver("hello");
    await pipe.deliver(Buffer.from([0xff, 0, 1]));
    await listening.until(({ out }) => out.split("\n").length > 3);
    const { code, out, err } = await listening.stop("SIGTERM");
    expect([code, err]).toEqual([0, ""]);
    const common = {
      event: "message",
      time: expect.any(String),
      from: ann.address,
      sealed: true,
      broker: { family: "IPv4", host: "127.0.0.1", port: broker.port },
      sentAt: expect.any(String),
      queueId: expect.stringMatching(/^[0-9a-f]{64}$/),
    };
    expect(objects(out)).toEqual([
      { event: "listening", address },
      { ...common, text: "hello", bytes: 5, sequence: 0 },
      { ...common, hex: "ff0001", bytes: 3, sequence: 1 },
    ]);
  });

  const NASTY = "\x1b[2J\x1b]0;title\x07 \x9b31m\r\n\t\x7f \u202egnp.exe \u2028\u{e0041} 👩\u200d👩 end";

  it.each([[[]], [["--json"]]])("never hands a control character on %j", async (args) => {
    const address = home.makeKey();
    const listening = await home.listen([...POOL, ...args]);
    const ann = await peer();
    await (await ann.pipe(address)).deliver(NASTY);
    await listening.until(({ out }) => out.includes("end"));
    const { out } = await listening.stop();
    expect(out.replaceAll(/[\n\t]/g, "")).not.toMatch(/(?!\u200d)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    if (args.length > 0) expect(objects(out).at(-1)?.text).toBe(NASTY);
    else
      expect(out).toContain(
        "\\x1b[2J\\x1b]0;title\\x07 \\x9b31m\\r\\n\\t\\x7f \\u{202e}gnp.exe \\u{2028}\\u{e0041} 👩\u200d👩 end\n",
      );
  });

  it("takes messages from the accepted alone, and leaves the others without an ACK", async () => {
    const address = home.makeKey();
    const [ann, ben] = await Promise.all([peer(), peer()]);
    home.write("friends", `# friends\n\n  ${ann.address.toUpperCase()}   # Ann\r\n`);
    const listening = await home.listen([...POOL, "--accept", "friends", "--json"]);
    expect(await (await ben.pipe(address)).send("I am Ben", { timeoutMs: 500 })).toBe(0);
    expect(await (await ann.pipe(address)).send("I am Ann")).toBe(8);
    await listening.until(({ out }) => out.includes("Ann"));
    const { out } = await listening.stop();
    expect(objects(out).map(({ text }) => text)).toEqual([undefined, "I am Ann"]);
  });

  it.each([
    [["--once"], 1],
    [["--count", "3"], 3],
  ])("ends by itself after as many messages as it is told: %j", async (args, most) => {
    const address = home.makeKey();
    const listening = await home.listen([...POOL, ...args, "--json"]);
    const pipe = await (await peer()).pipe(address);
    for (let i = 0; i < most; i++) await pipe.deliver(`message ${i}`);
    const { code, out, err } = await listening.ended;
    expect([code, err]).toEqual([0, ""]);
    const shown = objects(out).flatMap(({ text }) => text ?? []);
    expect(shown).toEqual(Array.from({ length: most }, (_, i) => `message ${i}`));
    expect(await pipe.send("more", { timeoutMs: 300 })).toBe(0);
  });

  it("prints all that it acknowledged, and not much more than it was told, when many come at once", async () => {
    const address = home.makeKey();
    const listening = await home.listen([...POOL, "--count", "5"]);
    const peers = await Promise.all([peer(), peer(), peer()]);
    const pipes = await Promise.all(peers.map((one) => one.pipe(address)));
    const sent = pipes.flatMap((pipe, p) =>
      Array.from({ length: 30 }, (_, i) => pipe.send(`${p}-${i}`, { timeoutMs: 1000 })),
    );
    const { code, out } = await listening.ended;
    const acknowledged = (await Promise.all(sent)).flatMap((bytes, i) =>
      bytes > 0 ? [`${Math.floor(i / 30)}-${i % 30}`] : [],
    );
    expect(code).toBe(0);
    const shown = [...out.matchAll(/\tplain\t(\S+)\n/g)].map(([, text]) => text);
    expect(acknowledged.filter((text) => !shown.includes(text))).toEqual([]);
    expect(shown.length).toBeGreaterThanOrEqual(5);
    expect(shown.length).toBeLessThan(90);
  });

  it("ends by itself after some time: with 1 where it was told to wait for a message", async () => {
    home.makeKey();
    const bare = await home.run(["listen", ...POOL, "--for", "100", "--json"]);
    expect([bare.code, bare.err]).toEqual([0, ""]);
    expect((await home.run(["listen", ...POOL, "--for", "100", "--once"])).code).toBe(1);
  });

  it("loses nothing that it acknowledged when its reader has had enough", async () => {
    const address = home.makeKey();
    home.link("sidewire");
    const listening = home.shell("./sidewire listen --brokers pool.json | head -1");
    await listening.until(({ err }) => err.includes("Listening as"));
    const pipe = await (await peer()).pipe(address);
    const sent: string[] = [];
    for (let i = 0; i < 50; i++) {
      const text = `message ${i}`;
      if ((await pipe.send(text, { timeoutMs: 1000 })) === 0) break;
      sent.push(text);
    }
    const { out, err } = await listening.ended;
    expect(out).toMatch(/\tmessage 0\n$/);
    expect(sent.length).toBeGreaterThan(1);
    const told = [...`${out}${err}`.matchAll(/\tplain\t(message \d+)\n/g)].map(([, text]) => text);
    expect(sent.filter((text) => !told.includes(text))).toEqual([]);
    expect(err).toContain("not written, as nobody reads stdout any more: ");
  });

  it("ends quietly when nobody reads any more", async () => {
    const address = home.makeKey();
    const listening = await home.listen(POOL);
    const ann = await peer();
    const pipe = await ann.pipe(address);
    listening.child.stdout?.destroy();
    // It notices when it writes.
    await pipe.send("one", { timeoutMs: 500 });
    await pipe.send("two", { timeoutMs: 500 });
    const { code, err } = await listening.ended;
    expect(code).toBe(0);
    expect(err).not.toMatch(/EPIPE|at /);
  });

  it.skipIf(!existsSync("/dev/full"))("ends with a sentence when what it prints cannot be kept", async () => {
    const address = home.makeKey();
    home.link("sidewire");
    const listening = home.shell("exec ./sidewire listen --brokers pool.json > /dev/full");
    await listening.until(({ err }) => err.includes("Listening as"));
    await (await (await peer()).pipe(address)).send("hello");
    const { code, err } = await listening.ended;
    expect(code).toBe(1);
    expect(err).toMatch(
      /ends it\.\nnot written, as nobody reads stdout any more: .*\thello\nsidewire: cannot write to stdout: no space left on device\n$/,
    );
  });

  it("prints everything that it acknowledged, also when it is ended in the middle", async () => {
    const address = home.makeKey();
    const listening = await home.listen(POOL);
    const ann = await peer();
    const pipe = await ann.pipe(address);
    const sent = Array.from({ length: 500 }, (_, i) => pipe.send(`message ${i}`, { timeoutMs: 500 }));
    // Whichever: on a busy machine, one or another is given up.
    await listening.until(({ out }) => out.split("message ").length > 50);
    const { code, out } = await listening.stop();
    const acknowledged = (await Promise.all(sent)).flatMap((bytes, i) => (bytes > 0 ? [i] : []));
    expect(code).toBe(0);
    const shown = [...out.matchAll(/\tmessage (\d+)\n/g)].map(([, i]) => Number(i));
    expect(acknowledged.filter((i) => !shown.includes(i))).toEqual([]);
    // One whose signature was still being checked at the end is neither acknowledged nor shown.
    expect(shown).toEqual([...new Set(shown)].toSorted((a, b) => a - b));
    expect(shown.length).toBeGreaterThanOrEqual(49);
  });

  it("says when it cannot be reached any more, and is there again later", async () => {
    await using broker = await startBroker();
    home.write("pool.json", poolOf([broker]));
    const address = home.makeKey();
    const listening = await home.listen([...POOL, "--json"]);
    await broker.kill();
    await listening.until(({ err }) => err.includes("no broker is connected"));
    expect(objects(listening.err)).toMatchObject([{ code: "NO_BROKER", warning: expect.any(String) }]);
    await broker.restart();
    const ann = await startPeer(poolOf([broker]));
    const pipe = await ann.pipe(address);
    while ((await pipe.send("back?")) === 0) expect(listening.child.exitCode).toBeNull();
    await listening.until(({ out }) => out.includes("back?"));
    expect(objects(listening.out).map(({ event }) => event)).toEqual(["listening", "connected", "message"]);
    expect((await listening.stop()).code).toBe(0);
  });

  it("ends with 1 when no broker can be reached", async () => {
    home.makeKey();
    await broker.close();
    const { code, err } = await home.run(["listen", ...POOL, "--json"]);
    expect(code).toBe(1);
    expect(objects(err)).toMatchObject([{ code: "NO_BROKER" }]);
  });
});
