import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { formatAddress, Keypair, parseBrokerPool, rankBrokers } from "../../src/index.js";
import { Home, objects } from "../support/command.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import { poolOf, startPeer, use } from "../support/peers.js";

let home: Home;
let broker: EmbeddedBroker;
const POOL: readonly string[] = ["--brokers", "pool.json"];

beforeEach(async () => {
  home = new Home();
  broker = use(await startEmbeddedBroker());
  home.write("pool.json", poolOf([broker]));
});

describe("probe", () => {
  it("tells on which brokers a peer is, and how far", async () => {
    home.makeKey();
    const second = use(await startEmbeddedBroker("127.0.0.2"));
    home.write("pool.json", poolOf([broker, second]));
    const ann = await startPeer(poolOf([broker, second]));
    await expect.poll(() => ann.hints().length, { timeout: 40_000 }).toBe(2);
    const plain = await home.run(["probe", ...POOL, ann.address]);
    expect([plain.code, plain.err]).toEqual([0, ""]);
    expect(plain.out).toMatch(/^✓ there, on [12] brokers?\n/);
    expect(plain.out).toMatch(/^IPv4 +127\.0\.0\.\d +[\d.]+ ms$/m);
    const json = await home.run(["probe", ...POOL, ann.address, "--json"]);
    expect(objects(json.out)).toMatchObject([{ to: ann.address, reachable: true }]);
  });

  it("ends with 1 when nobody answers", async () => {
    home.makeKey();
    const nobody = Keypair.generate().publicKeyHex;
    const args = ["probe", ...POOL, nobody, "--timeout", "2000"];
    expect(await home.run(args)).toMatchObject({ code: 1, out: expect.stringMatching(/^✗ no answer/) });
    const json = await home.run([...args, "--json"]);
    expect(json.code).toBe(1);
    expect(objects(json.out)).toEqual([{ to: nobody, reachable: false, brokers: [] }]);
  });

  it("goes on with --watch, and notices a peer that comes and one that goes", async () => {
    home.makeKey();
    const keys = Keypair.generate();
    const args = ["probe", ...POOL, keys.publicKeyHex, "--watch", "--interval", "100", "--timeout", "1500"];
    const watching = home.start([...args, "--json"]);
    const answers = (): unknown[] => objects(watching.out).map(({ reachable }) => reachable);
    await watching.until(() => answers().includes(false));
    const other = new Home();
    other.write("pool.json", poolOf([broker]));
    other.write("config/sidewire/key", Buffer.from(keys.secretKey).toString("hex"), 0o600);
    const peer = await other.listen(POOL);
    await watching.until(() => answers().includes(true));
    await peer.stop();
    await watching.until(() => answers().at(-1) === false);
    expect(await watching.stop()).toMatchObject({ code: 0, err: "" });
  });
});

describe("rank", () => {
  it("shows the brokers as the library ranks them, and which can be connected to; needs no key", async () => {
    const pool = {
      IPv4: {
        "127.0.0.1": { port: broker.port },
        "127.0.0.2": { port: await freePort("127.0.0.2"), weight: 3 },
      },
    };
    home.write("pool.json", pool);
    const to = Keypair.generate().publicKeyHex;
    const { code, out } = await home.run(["rank", ...POOL, to, "--json"]);
    expect(code).toBe(0);
    const ranking = rankBrokers(to, parseBrokerPool(pool)).IPv4;
    expect(objects(out)).toEqual(
      ranking.map(({ family, host, weight, score }, i) => ({
        ...{ place: i + 1, family, host, weight, score },
        connected: host === "127.0.0.1",
        ...(host === "127.0.0.1" ? {} : { error: expect.stringContaining("ECONNREFUSED") }),
      })),
    );
    const plain = await home.run(["rank", ...POOL, to]);
    expect(plain.out).toMatch(/^IPv4 +\d +127\.0\.0\.1 +[\d.]+ +● connected$/m);
    expect(plain.out).toMatch(/^IPv4 +\d +127\.0\.0\.2 +[\d.]+ +○ connection refused$/m);
  });

  it("shows them also where none can be reached, and ends with 1", async () => {
    await broker.close();
    const { code, out } = await home.run(["rank", ...POOL, Keypair.generate().publicKeyHex]);
    expect(code).toBe(1);
    expect(out).toMatch(/^IPv4 +1 +127\.0\.0\.1 +[\d.]+ +○ connection refused$/m);
  });
});

const TLS = join(import.meta.dirname, "../support/tls");

/** The test's CA is not among those that everybody trusts. */
const TRUSTING: NodeJS.ProcessEnv = { NODE_EXTRA_CA_CERTS: join(TLS, "ca.pem") };

describe.each([["rank", [Keypair.generate().publicKeyHex]] as const, ["brokers", []] as const])(
  "%s with an empty pool",
  (name, args) => {
    it("says so, and ends with 1", async () => {
      home.write("pool.json", { IPv4: {} });
      const plain = await home.run([name, ...POOL, ...args]);
      expect(plain).toMatchObject({ code: 1, out: "", err: "sidewire: the pool has no broker\n" });
      const json = await home.run([name, ...POOL, ...args, "--json"]);
      expect([json.code, json.out]).toEqual([1, ""]);
      expect(objects(json.err)).toEqual([{ error: "the pool has no broker", code: "NO_BROKER" }]);
    });
  },
);

describe("brokers", () => {
  it("checks many ports at the same time, and Node has nothing to warn of", async () => {
    const everywhere = use(await startEmbeddedBroker("0.0.0.0"));
    const hosts = Array.from({ length: 12 }, (_, i) => `127.0.0.${i + 1}`);
    home.write("pool.json", poolOf(hosts.map((host) => ({ host, port: everywhere.port }))));
    const { code, out, err } = await home.run(["brokers", ...POOL, "--json"]);
    expect([code, err]).toEqual([0, ""]);
    expect(objects(out)).toHaveLength(12);
  });

  it("checks each transport for real, and writes what works as a dated pool", async () => {
    const tls = {
      cert: readFileSync(join(TLS, "server.pem"), "utf8"),
      key: readFileSync(join(TLS, "server.key"), "utf8"),
    };
    const [ws, mqtts, wss] = await Promise.all(
      (["ws", "mqtts", "wss"] as const).map(async (transport) =>
        use(await startEmbeddedBroker("127.0.0.1", 0, { transport, tls })),
      ),
    );
    const closed = await freePort("127.0.0.2");
    const ports = { port: broker.port, ws: ws?.port, tls: mqtts?.port, wss: wss?.port };
    const rate = { perSecond: 100, burst: 400 };
    home.write("pool.json", {
      IPv4: {
        "127.0.0.1": { ...ports, username: "u", password: "p", rate },
        "127.0.0.2": { port: closed, wss: wss?.port },
      },
    });
    const { code, out, err } = await home.run(["brokers", ...POOL, "--json", "--write", "works.json"], {
      env: TRUSTING,
    });
    expect([code, err]).toEqual([0, ""]);
    const good = { ok: true, connectMs: expect.any(Number), echoMs: expect.any(Number) };
    // Its login would go out in clear there.
    const skipped = { ok: false, skipped: true, error: expect.stringContaining("login") };
    expect([broker.connections, ws?.connections]).toEqual([0, 0]);
    expect(objects(out)).toMatchObject([
      { host: "127.0.0.1", transport: "mqtt", port: ports.port, ...skipped },
      { host: "127.0.0.1", transport: "mqtts", port: ports.tls, ...good },
      { host: "127.0.0.1", transport: "wss", port: ports.wss, ...good },
      { host: "127.0.0.1", transport: "ws", port: ports.ws, ...skipped },
      {
        host: "127.0.0.2",
        transport: "mqtt",
        port: closed,
        ok: false,
        error: expect.stringMatching(/REFUSED/),
      },
      { host: "127.0.0.2", transport: "wss", port: ports.wss, ok: false, error: expect.any(String) },
    ]);
    const written = JSON.parse(readFileSync(home.path("works.json"), "utf8"));
    expect(written).toEqual({
      updated: new Date().toISOString().slice(0, 10),
      IPv4: { "127.0.0.1": { ...ports, username: "u", password: "p", rate } },
      IPv6: {},
    });
    expect(parseBrokerPool(written).updated).toBe(written.updated);
    expect(readdirSync(home.folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("tells in a table what works, and why not", async () => {
    const mute = use(await startEmbeddedBroker("127.0.0.2"));
    // It takes messages and forwards none.
    mute.aedes.authorizeForward = () => null;
    const guarded = use(await startEmbeddedBroker("127.0.0.3"));
    guarded.aedes.authenticate = (_, __, ___, done) =>
      done(Object.assign(new Error("no"), { returnCode: 4 }), false);
    home.write("pool.json", poolOf([broker, mute, guarded]));
    const { code, out } = await home.run(["brokers", ...POOL, "--timeout", "2000"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^IPv4 +127\.0\.0\.1 +mqtt +\d+ +[\d.]+ ms +[\d.]+ ms +✓$/m);
    expect(out).toMatch(/^IPv4 +127\.0\.0\.2 +mqtt +\d+ +[\d.]+ ms +✗ connected and subscribed, but/m);
    expect(out).toMatch(/^IPv4 +127\.0\.0\.3 +mqtt +\d+ +✗ refused with code 4/m);
    expect(out).toMatch(/^1 of 3 brokers can be used, 1 of 3 ports/m);
  });

  it("never writes an empty pool over a good one", async () => {
    const before = home.write("good.json", poolOf([broker]));
    const text = readFileSync(before, "utf8");
    await broker.close();
    const { code, err } = await home.run(["brokers", ...POOL, "--write", "good.json", "--json"]);
    expect(code).toBe(1);
    expect(objects(err)).toMatchObject([{ code: "NO_BROKER" }]);
    expect(readFileSync(before, "utf8")).toBe(text);
    expect((await home.run(["brokers", ...POOL, "--write", "new.json"])).code).toBe(1);
    expect(existsSync(home.path("new.json"))).toBe(false);
  });

  it("goes on with --watch, and keeps what it wrote through a bad time", async () => {
    const port = broker.port;
    const args = ["brokers", ...POOL, "--watch", "--interval", "100", "--json", "--write", "works.json"];
    const watching = home.start(args);
    const last = (): unknown => objects(watching.out.slice(0, watching.out.lastIndexOf("\n"))).at(-1)?.ok;
    await watching.until(() => last() === true);
    await broker.close();
    await watching.until(({ err }) => last() === false && err.includes("NO_BROKER"));
    expect(readFileSync(home.path("works.json"), "utf8")).toContain("127.0.0.1");
    use(await startEmbeddedBroker("127.0.0.1", port));
    await watching.until(() => last() === true);
    expect((await watching.stop()).code).toBe(0);
  });

  it("goes on checking with --watch what it left out of the file that it reads", async () => {
    const later = { host: "127.0.0.2", port: await freePort("127.0.0.2") };
    home.write("pool.json", poolOf([broker, later]));
    const args = ["brokers", ...POOL, "--watch", "--interval", "100", "--write", "pool.json", "--json"];
    const watching = home.start(args);
    const written = (): string => readFileSync(home.path("pool.json"), "utf8");
    await expect.poll(written, { timeout: 40_000 }).not.toContain(later.host);
    use(await startEmbeddedBroker(later.host, later.port));
    await expect.poll(written, { timeout: 40_000 }).toContain(later.host);
    expect((await watching.stop()).code).toBe(0);
  });

  it.skipIf(process.platform === "win32")("writes where a link leads to, and keeps the mode", async () => {
    const path = home.write("folder/real.json", "", 0o600);
    chmodSync(path, 0o640);
    symlinkSync("folder/real.json", home.path("link.json"));
    expect((await home.run(["brokers", ...POOL, "--write", "link.json"])).code).toBe(0);
    expect(readlinkSync(home.path("link.json"))).toBe("folder/real.json");
    expect(readFileSync(path, "utf8")).toContain("127.0.0.1");
    expect(statSync(path).mode & 0o777).toBe(0o640);
    execFileSync("mkfifo", [home.path("fifo")]);
    const pipe = await home.run(["brokers", ...POOL, "--write", "fifo"]);
    expect(pipe).toMatchObject({ code: 1, err: "sidewire: cannot write fifo: it is not a file\n" });
  });

  it("says where the pool cannot be written", async () => {
    const { code, err } = await home.run(["brokers", ...POOL, "--write", "no/such/folder.json"]);
    expect(code).toBe(1);
    expect(err).toMatch(/^sidewire: cannot write no\/such\/folder\.json: no such file or folder$/m);
  });

  it("ends at once on SIGINT, with 130 when it was not watching", async () => {
    // Nobody answers there.
    const deaf = use(await startEmbeddedBroker("127.0.0.2"));
    deaf.aedes.authenticate = () => {};
    const connected = new Promise<void>((resolve) => {
      deaf.aedes.preConnect = (_, __, done) => {
        resolve();
        done(null, true);
      };
    });
    home.write("pool.json", poolOf([broker, deaf]));
    const checking = home.start(["brokers", ...POOL]);
    await connected;
    expect(await checking.stop()).toMatchObject({ code: 130, out: "", err: "" });
  });
});

describe("broker", () => {
  it("prints a pool that the other commands take as it is, for TCP and WebSocket", async () => {
    home.makeKey();
    const running = home.start(["broker", "--port", "0", "--ws-port", "0"]);
    await running.until(({ out }) => out.endsWith("\n"));
    const [pool] = objects(running.out);
    expect(pool).toEqual({
      IPv4: { "127.0.0.1": { port: expect.any(Number), ws: expect.any(Number), path: "/mqtt" } },
    });
    home.write("own.json", running.out);
    const { code, out } = await home.run(["brokers", "--brokers", "own.json", "--json"]);
    expect(code).toBe(0);
    expect(objects(out)).toMatchObject([
      { transport: "mqtt", ok: true },
      { transport: "ws", ok: true },
    ]);
    const listening = await home.listen(["--brokers", "own.json"]);
    // With somebody connected, too.
    const { code: ended } = await running.stop();
    expect(ended).toBe(0);
    await listening.until(({ err }) => err.includes("no broker is connected"));
  });

  it("says that a port is in use, or that an address is not this machine's", async () => {
    const used = await home.run(["broker", "--port", String(broker.port), "--ws-port", "0", "--json"]);
    expect([used.code, used.out]).toEqual([1, ""]);
    expect(objects(used.err)).toEqual([
      { error: `cannot listen on 127.0.0.1, port ${broker.port}: the port is in use`, code: "LISTEN" },
    ]);
    const elsewhere = await home.run(["broker", "--host", "192.0.2.250", "--port", "0"]);
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.err).toMatch(
      /^sidewire: cannot listen on 192\.0\.2\.250: not an address of this machine\n$/,
    );
  });
});

/** A time server whose clock is ahead of this machine's (RFC 5905, figure 8). */
async function startTimeServer(aheadMs: number): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (request, { port, address }) => {
    const now = (Date.now() + aheadMs) / 1000 + 2_208_988_800;
    const answer = Buffer.alloc(48);
    answer[0] = (4 << 3) | 4;
    answer[1] = 1;
    answer[3] = 0xec;
    answer.write("TEST", 12);
    request.copy(answer, 24, 40, 48);
    for (const at of [16, 32, 40]) {
      answer.writeUInt32BE(Math.floor(now), at);
      answer.writeUInt32BE(Math.floor((now % 1) * 2 ** 32), at + 4);
    }
    socket.send(answer, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  onTestFinished(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return `127.0.0.1:${socket.address().port}`;
}

describe("doctor", () => {
  const levelOf = (out: string, check: string): unknown =>
    objects(out).find((finding) => finding.check === check)?.level;

  it("finds nothing bad where all is well", async () => {
    home.makeKey();
    const ntp = await startTimeServer(0);
    const { code, out, err } = await home.run(["doctor", ...POOL, "--ntp", ntp, "--timeout", "2000"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/^✓ key: sw1q[0-9a-z]{58} in /m);
    expect(out).toMatch(/^✓ clock: [\d.]+ ms (ahead|behind) \(± /m);
    expect(out).toMatch(/^✓ IPv4 mqtt: 1 of 1 brokers can be used$/m);
    expect(out).toMatch(/^✓ same key elsewhere: nobody else listens with it$/m);
  });

  it.each([
    [600_000, "bad", 1],
    [-600_000, "bad", 1],
    [60_000, "warning", 0],
  ])("judges a clock that is off by %i ms: %s", async (aheadMs, level, expected) => {
    home.makeKey();
    const ntp = await startTimeServer(aheadMs);
    const args = ["doctor", ...POOL, "--ntp", ntp, "--timeout", "2000", "--json"];
    const { code, out } = await home.run(args);
    expect([levelOf(out, "clock"), code]).toEqual([level, expected]);
    const clock = objects(out).find(({ check }) => check === "clock");
    const [, seconds, direction] = /^([\d.]+) s (behind|ahead) /.exec(String(clock?.message)) ?? [];
    expect(Math.abs(Number(seconds) - Math.abs(aheadMs) / 1000)).toBeLessThan(1);
    expect(direction).toBe(aheadMs > 0 ? "behind" : "ahead");
    expect(clock?.advice).toMatch(/^set it/);
  });

  it("says what to do when no time server, no key and no broker is there", async () => {
    const silent = createSocket("udp4");
    silent.bind(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => new Promise<void>((resolve) => silent.close(() => resolve())));
    await broker.close();
    const ntp = `127.0.0.1:${silent.address().port}`;
    const { code, out } = await home.run(["doctor", ...POOL, "--ntp", ntp, "--timeout", "300", "--json"]);
    expect(code).toBe(1);
    expect([levelOf(out, "key"), levelOf(out, "clock"), levelOf(out, "brokers")]).toEqual([
      "bad",
      "warning",
      "bad",
    ]);
    expect(objects(out).find(({ check }) => check === "key")?.message).toContain("sidewire keygen");
    for (const check of ["clock", "brokers"])
      expect(objects(out).find((finding) => finding.check === check)?.advice).toMatch(/\w+/);
    expect(levelOf(out, "same key elsewhere")).toBeUndefined();
  });

  it("finds the same key at another place, also one that accepts few", async () => {
    const own = home.makeKey();
    const elsewhere = new Home();
    elsewhere.write("pool.json", poolOf([broker]));
    elsewhere.write("friends", Keypair.generate().publicKeyHex);
    elsewhere.write("config/sidewire/key", readFileSync(home.keyFile, "utf8"), 0o600);
    const ntp = await startTimeServer(0);
    const twin = await elsewhere.listen([...POOL, "--accept", "friends"]);
    expect(twin.err).toContain(formatAddress(own));
    const args = ["doctor", ...POOL, "--ntp", ntp, "--timeout", "2000", "--json"];
    const found = await home.run(args);
    expect(levelOf(found.out, "same key elsewhere")).toBe("warning");
    await twin.stop();
    const gone = await home.run(args);
    expect(levelOf(gone.out, "same key elsewhere")).toBe("ok");
  });

  it("finds it in a chat, too", async () => {
    home.makeKey();
    const elsewhere = new Home();
    elsewhere.write("pool.json", poolOf([broker]));
    elsewhere.write("config/sidewire/key", readFileSync(home.keyFile, "utf8"), 0o600);
    const twin = elsewhere.start(["chat", ...POOL, Keypair.generate().publicKeyHex], { open: true });
    await twin.until(({ err }) => err.includes("Chat with"));
    const args = ["doctor", ...POOL, "--ntp", await startTimeServer(0), "--timeout", "2000", "--json"];
    expect(levelOf((await home.run(args)).out, "same key elsewhere")).toBe("warning");
  });

  it("says in one line that no name can be looked up, and goes on with what needs none", async () => {
    home.makeKey();
    // No name server has to be asked for these.
    const names = ["a", "b", "c"].map((letter) => `${letter.repeat(64)}.example`);
    home.write("pool.json", { IPv4: Object.fromEntries(names.map((name) => [name, { port: 1883 }])) });
    const { code, out } = await home.run(["doctor", ...POOL, "--timeout", "3000", "--json"]);
    expect(code).toBe(1);
    expect(objects(out).map(({ check, level }) => [check, level])).toEqual([
      ["key", "ok"],
      ["names", "bad"],
      ["IPv4", "ok"],
      ["IPv6", "ok"],
    ]);
    for (const name of names) expect(out).not.toContain(name);
    const own = poolOf([broker]);
    home.write("pool.json", {
      IPv4: { ...own.IPv4, ...Object.fromEntries(names.map((n) => [n, { port: 1 }])) },
    });
    const more = await home.run(["doctor", ...POOL, "--timeout", "3000", "--json"]);
    expect([more.code, levelOf(more.out, "names"), levelOf(more.out, "IPv4 mqtt")]).toEqual([1, "bad", "ok"]);
  });

  it("tells in words why a time server gave no time, and what to do about that", async () => {
    home.makeKey();
    const closed = `127.0.0.1:${await freePort("127.0.0.1")}`;
    const { out } = await home.run(["doctor", ...POOL, "--ntp", "a..b", "--ntp", closed]);
    expect(out.replaceAll(/\s+/g, " ")).toContain(
      `! clock: no time server answered (a..b: no such host; ${closed}: connection refused) → see whether names can be looked up`,
    );
  });
});
