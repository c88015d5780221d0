import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { describe, expect, it, onTestFinished } from "vitest";
import { type BrokerHint, type BrokerPool, Keypair } from "../../src/index.js";
import { platform } from "../../src/platform/node.js";
import { openSocket } from "../../src/platform/socket.js";
import { type EmbeddedBrokerOptions, startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import { makePeer, median, record, startPeer, use } from "../support/peers.js";

const pem = (name: string): string =>
  readFileSync(new URL(`../support/tls/${name}`, import.meta.url), "utf8");
const ca = pem("ca.pem");
const tls = { cert: pem("server.pem"), key: pem("server.key") };

/** One broker that speaks one transport, as a pool entry. */
async function brokerFor(transport: "mqtt" | "mqtts" | "ws" | "wss"): Promise<BrokerPool> {
  const options: EmbeddedBrokerOptions = { transport, tls };
  const { port } = use(await startEmbeddedBroker("127.0.0.1", 0, options));
  const name = { mqtt: "port", mqtts: "tls", ws: "ws", wss: "wss" }[transport];
  return { IPv4: { "127.0.0.1": { [name]: port } } };
}

const HALF = Buffer.alloc(10);

/** A server, plain or over TLS, that answers only when two halves are in; closed at the end of the test. */
async function answeringWholes(transport: "mqtt" | "mqtts"): Promise<number> {
  const answer = (socket: Socket): void => {
    let missing = 2 * HALF.length;
    socket.on("error", () => {});
    socket.on("data", ({ length }) => {
      missing -= length;
      if (missing > 0) return;
      missing = 2 * HALF.length;
      socket.write("whole");
    });
  };
  const server =
    transport === "mqtts"
      ? createTlsServer({ ...tls, noDelay: true }, answer)
      : createServer({ noDelay: true }, answer);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  // A TCP server's address is an AddressInfo once it is listening.
  return (server.address() as AddressInfo).port;
}

/** How long the answer takes when the halves are written one right after the other, ms: the usual time. */
async function answeredAfter(socket: Duplex): Promise<number> {
  onTestFinished(() => void socket.destroy());
  const times: number[] = [];
  for (let i = 0; i < 11; i++) {
    const answered = once(socket, "data");
    const started = performance.now();
    // Written before the next one, so that they do not leave as one.
    await new Promise((written) => socket.write(HALF, written));
    socket.write(HALF);
    await answered;
    times.push(performance.now() - started);
  }
  return median(times);
}

describe("a socket", () => {
  it.each(["mqtt", "mqtts"] as const)("sends small packets at once over %s", async (transport) => {
    const { ca: trusted } = platform.parseSocketOptions(undefined, ca);
    const target = {
      family: "IPv4",
      host: "127.0.0.1",
      path: "/",
      localAddress: undefined,
      publicOnly: false,
    } as const;
    const port = await answeringWholes(transport);
    const { signal } = new AbortController();
    const own = await answeredAfter(await openSocket({ ...target, transport, port, ca: trusted }, signal));
    // What Nagle's algorithm does to them here: the second half waits until the first is acknowledged, which
    // the other side puts off until it has something to say, or for 40 ms on Linux.
    const plain = await answeringWholes("mqtt");
    const held = await answeredAfter(connect({ host: "127.0.0.1", port: plain, noDelay: false }));
    expect(held).toBeGreaterThan(30);
    expect(own).toBeLessThan(held / 2);
  });
});

describe("a router", () => {
  for (const transport of ["mqtt", "mqtts", "ws", "wss"] as const) {
    it(`talks over ${transport}`, async () => {
      const pool = await brokerFor(transport);
      const [ann, ben] = await Promise.all([startPeer(pool, { ca }), startPeer(pool, { ca })]);
      const shown = record(ben);
      const pipe = await ann.pipe(ben.address);
      expect(await pipe.send(transport)).toBe(transport.length);
      expect(shown[0]?.text()).toBe(transport);
    });
  }

  it("does not wait for the other side's TCP acknowledgements over TLS", async () => {
    const roundTrips: number[][] = [[], []];
    const pairs = await Promise.all(
      (["mqtt", "mqtts"] as const).map(async (transport) => {
        const pool = await brokerFor(transport);
        const [ann, ben] = await Promise.all([startPeer(pool, { ca }), startPeer(pool, { ca })]);
        return await Promise.all([ann.pipe(ben.address), ben.pipe(ann.address)]);
      }),
    );
    // To and fro: an ACK and a message of one's own follow each other on a connection, which is where
    // Nagle's algorithm holds the second back, for 40 ms on Linux.
    for (let i = 0; i < 20; i++) {
      for (const [side, pair] of pairs.entries()) {
        for (const pipe of pair) roundTrips[side]?.push((await pipe.deliver("to and fro")).roundTripMs);
      }
    }
    const [plain = Number.NaN, secure = Number.NaN] = roundTrips.map(median);
    expect(secure / plain).toBeLessThan(8);
  });

  for (const transport of ["mqtts", "wss"] as const) {
    it(`does not trust a stranger's certificate over ${transport}`, async () => {
      const ann = makePeer(await brokerFor(transport));
      await expect(ann.start()).rejects.toMatchObject({
        code: "NO_BROKER",
        brokers: [{ error: expect.stringMatching(/certificate|self.signed|CERT/i) }],
      });
    });
  }

  it("takes the next transport of a broker when the preferred one is blocked", async () => {
    const { port } = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
    const blocked = await freePort("127.0.0.1");
    const pool = { IPv4: { "127.0.0.1": { port: blocked, ws: port } } };
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    expect(await (await ann.pipe(ben.address)).send("around the wall")).toBe(15);
  });

  it("uses only the transports it is told to, and skips brokers that speak none of them", async () => {
    const pool = await brokerFor("mqtt");
    const ann = makePeer(pool, { transports: ["wss"] });
    await expect(ann.start()).rejects.toMatchObject({ code: "NO_BROKER", brokers: [] });
  });

  it("meets another at one broker when one comes over TCP, the other over WebSocket", async () => {
    const tcp = use(await startEmbeddedBroker());
    const { createServer } = await import("node:http");
    const { WebSocketServer, createWebSocketStream } = await import("ws");
    const http = createServer();
    const server = new WebSocketServer({ server: http });
    server.on("connection", (socket) => {
      const stream = createWebSocketStream(socket);
      stream.on("error", () => {});
      tcp.aedes.handle(stream);
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    use({
      [Symbol.asyncDispose]: async () => {
        for (const client of server.clients) client.terminate();
        http.close();
      },
    });
    const address = http.address();
    const ws = typeof address === "object" && address !== null ? address.port : 0;
    const pool = { IPv4: { "127.0.0.1": { port: tcp.port, ws } } };
    const [ann, ben] = await Promise.all([
      startPeer(pool, { transports: ["mqtt"] }),
      startPeer(pool, { transports: ["ws"] }),
    ]);
    expect(await (await ann.pipe(ben.address)).send("over")).toBe(4);
    expect(await (await ben.pipe(ann.address)).send("and back")).toBe(8);
  });

  it("leaves by the address it is given", async () => {
    const from: string[] = [];
    const options = { allow: (address: string) => from.push(address) > 0 };
    const broker = use(await startEmbeddedBroker("127.0.0.1", 0, options));
    const pool = { IPv4: { "127.0.0.1": { port: broker.port } } };
    await startPeer(pool, { nic: "127.0.0.77" });
    await startPeer(pool, { nic: { IPv4: "127.0.0.78" } });
    expect(from).toEqual(["127.0.0.77", "127.0.0.78"]);
  });

  it("uses the families it is told to, and interleaves both", async () => {
    const four = use(await startEmbeddedBroker("127.0.0.1"));
    const six = use(await startEmbeddedBroker("::1"));
    const pool: BrokerPool = {
      IPv4: { "127.0.0.1": { port: four.port } },
      IPv6: { "::1": { port: six.port } },
    };
    const [both, onlySix] = await Promise.all([
      startPeer(pool, { families: ["IPv4", "IPv6"] }),
      startPeer(pool, { families: ["IPv6"] }),
    ]);
    expect(onlySix.hints()).toEqual([{ af: 10, host: "::1", port: six.port }]);
    const receipt = await (await both.pipe(onlySix.address)).deliver("six");
    expect(receipt.broker.family).toBe("IPv6");
    expect(receipt.brokersTried.length).toBeGreaterThan(0);
  });

  it("sends its credentials, and shows them nowhere", async () => {
    const broker = use(await startEmbeddedBroker());
    const seen: unknown[] = [];
    broker.aedes.authenticate = (_client, username, password, done) => {
      seen.push([username, password?.toString()]);
      done(null, username === "user" && password?.toString() === "secret");
    };
    const entry = { port: broker.port, username: "user", password: "secret" };
    const ann = await startPeer({ IPv4: { "127.0.0.1": entry } });
    expect(seen).toEqual([["user", "secret"]]);
    expect(JSON.stringify([ann.stats(), ann.hints()])).not.toContain("secret");

    const wrong = makePeer({ IPv4: { "127.0.0.1": { ...entry, password: "guessed" } } });
    const error: unknown = await wrong.start().catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "NO_BROKER",
      brokers: [{ error: expect.stringContaining("code 5") }],
    });
    expect(`${JSON.stringify(error)} ${String(error)}`).not.toContain("guessed");
  });
});

describe("hints", () => {
  it("lead to a broker that is not in the sender's pool", async () => {
    const shared = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer({ IPv4: { "127.0.0.1": { port: shared.port } } });
    const ann = await startPeer({ IPv4: { "127.0.0.2": { port: other.port } } }, { allowPrivateHints: true });
    expect(await (await ann.pipe(ben.address)).send("lost", { timeoutMs: 100 })).toBe(0);
    const pipe = await ann.pipe(ben.address, { hintBrokers: ben.hints() });
    expect(await pipe.send("found")).toBe(5);
  });

  it("lead to a peer when nothing of the own pool can be reached", async () => {
    const shared = use(await startEmbeddedBroker("127.0.0.1"));
    const ben = await startPeer({ IPv4: { "127.0.0.1": { port: shared.port } } });
    const dead = { IPv4: { "127.0.0.2": { port: await freePort("127.0.0.2") } } };
    const ann = makePeer(dead, { allowPrivateHints: true });
    await expect(ann.start()).rejects.toMatchObject({ code: "NO_BROKER" });
    const pipe = await ann.pipe(ben.address, { hintBrokers: ben.hints() });
    expect(await pipe.send("found")).toBe(5);
  });

  it("are not dialled at private addresses, which a stranger may have chosen", async () => {
    const victim = use(await startEmbeddedBroker("127.0.0.2"));
    const pool = { IPv4: { "127.0.0.1": { port: use(await startEmbeddedBroker()).port } } };
    const ann = await startPeer(pool);
    const to = Keypair.generate().publicKeyHex;
    const loopback = { af: 2, host: "127.0.0.2", port: victim.port } as const;
    const skipped = await ann.pipe(to, { hintBrokers: [loopback] });
    expect(await skipped.send("x", { timeoutMs: 200 })).toBe(0);
    // A name is looked up first.
    const named = { af: 2, host: "localhost.", port: victim.port } as const;
    const usable = { af: 2, host: "127.0.0.1", port: pool.IPv4["127.0.0.1"].port } as const;
    const pipe = await ann.pipe(to, { hintBrokers: [loopback, named, usable] });
    expect(await pipe.send("x", { timeoutMs: 200 })).toBe(0);
    expect(victim.connections).toBe(0);
    // The loopback address twice, and the name of it.
    expect(ann.stats().skippedHints).toBe(3);
  });

  it("are used without those that are odd, which are counted", async () => {
    const shared = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer({ IPv4: { "127.0.0.1": { port: shared.port } } });
    const ann = await startPeer({ IPv4: { "127.0.0.2": { port: other.port } } }, { allowPrivateHints: true });
    // As they come from somebody else, in JSON.
    const hintBrokers = JSON.parse(
      JSON.stringify([null, { af: 4, host: "a.example", port: 1883 }, { af: 2, port: 0 }, ...ben.hints()]),
    );
    for (const useCache of [false, true]) {
      const pipe = await ann.pipe(ben.address, { hintBrokers, useCache });
      expect(await pipe.send("found")).toBe(5);
    }
    expect(ann.stats().skippedHints).toBe(6);
    await expect(ann.pipe(ben.address, { hintBrokers: hintBrokers[1] })).rejects.toMatchObject({
      code: "INVALID_HINT",
      path: "hintBrokers",
    });
  });

  it("of a store are used without those that are odd, which are counted", async () => {
    const shared = use(await startEmbeddedBroker("127.0.0.1"));
    const other = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer({ IPv4: { "127.0.0.1": { port: shared.port } } });
    const kept = [{ af: 2, host: "127.0.0.2", port: "1883" } as unknown as BrokerHint, ...ben.hints()];
    const ann = await startPeer(
      { IPv4: { "127.0.0.2": { port: other.port } } },
      {
        allowPrivateHints: true,
        hintStore: { get: (address) => (address === ben.address ? kept : undefined), set: () => {} },
      },
    );
    expect(await (await ann.pipe(ben.address)).send("found")).toBe(5);
    expect(ann.stats().skippedHints).toBe(1);
  });
});
