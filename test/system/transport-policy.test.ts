import { describe, expect, it } from "vitest";
import type { BrokerEntry, BrokerPool, RouterOptions, Transport } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { freePort } from "../support/free-port.js";
import { pem, startLittleServer } from "../support/little-server.js";
import { makePeer, startPeer, use } from "../support/peers.js";

const ca = pem("ca.pem");
const tls = { cert: pem("server.pem"), key: pem("server.key") };

const HOST = "127.0.0.1";
const FIELD = { mqtt: "port", mqtts: "tls", ws: "ws", wss: "wss" } as const;

const poolAt = (entry: BrokerEntry): BrokerPool => ({ IPv4: { [HOST]: entry } });

const brokerBy = async (transport: Transport) => use(await startEmbeddedBroker(HOST, 0, { transport, tls }));

const starting = (entry: BrokerEntry, options: Partial<RouterOptions> = {}): Promise<unknown> =>
  makePeer(poolAt(entry), options)
    .start()
    .catch((error: unknown) => error);

/** The one broker's reason. */
const becauseOf = (text: string | RegExp): unknown =>
  expect.objectContaining({
    code: "NO_BROKER",
    brokers: [{ host: HOST, family: "IPv4", port: expect.anything(), error: expect.stringMatching(text) }],
  });

describe("a broker's login", () => {
  const login = { username: "ann", password: "hunter2" };

  it.each(["tls", "wss"] as const)("does not go out in clear where the entry has %s", async (field) => {
    const clear = await startLittleServer();
    const closed = await freePort(HOST);
    const error = await starting({ port: clear.port, ws: clear.port, [field]: closed, ...login });
    expect(error).toEqual(becauseOf(/ECONNREFUSED/));
    expect(clear.connections).toBe(0);
    expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain("hunter2");
  });

  it("goes over TLS, though what is not encrypted is preferred", async () => {
    const [clear, secure] = await Promise.all([brokerBy("mqtt"), brokerBy("mqtts")]);
    const entry = { port: clear.port, tls: secure.port, ...login };
    await startPeer(poolAt(entry), { ca, transports: ["mqtt", "mqtts"] });
    expect([clear.connections, secure.connections]).toEqual([0, 1]);
  });

  it("goes nowhere where only what is not encrypted may be used", async () => {
    const clear = await startLittleServer();
    const error = await starting(
      { port: clear.port, tls: clear.port, ...login },
      { transports: ["mqtt", "ws"] },
    );
    expect(error).toEqual(
      becauseOf(/login goes over TLS alone, and no transport with TLS may be used \(mqtt, ws\)/),
    );
    expect(clear.connections).toBe(0);
  });

  it("is not shown to a server with a certificate that cannot be trusted", async () => {
    const impostor = await startLittleServer(() => {}, tls);
    // Trusted by nobody without `ca`.
    const error = await starting({ tls: impostor.port, wss: impostor.port, ...login });
    expect(error).toMatchObject({ code: "NO_BROKER" });
    expect(impostor).toMatchObject({ connections: 2, said: "" });
  });

  it("goes out in clear where the entry has no other way, or with allowInsecure", async () => {
    const clear = await brokerBy("mqtt");
    const seen: unknown[] = [];
    clear.aedes.authenticate = (_client, username, password, done) => {
      seen.push([username, password?.toString()]);
      done(null, true);
    };
    await startPeer(poolAt({ port: clear.port, ...login }));
    const withTls = { port: clear.port, tls: await freePort(HOST), ...login };
    await startPeer(poolAt(withTls), { allowInsecure: true });
    expect(seen).toEqual([
      ["ann", "hunter2"],
      ["ann", "hunter2"],
    ]);
  });
});

describe("a transport without TLS", () => {
  const pairs = [
    ["mqtts", "mqtt"],
    ["wss", "ws"],
    ["wss", "mqtt"],
    ["mqtts", "ws"],
  ] as const;

  it.each(pairs)("does not take the place of %s with a bad certificate: %s", async (secure, clear) => {
    const [bad, good] = await Promise.all([brokerBy(secure), brokerBy(clear)]);
    const entry = { [FIELD[secure]]: bad.port, [FIELD[clear]]: good.port };
    const error = await starting(entry, { transports: [secure, clear] });
    expect(error).toMatchObject({ code: "NO_BROKER" });
    expect([bad.connections, good.connections]).toEqual([1, 0]);
    await startPeer(poolAt(entry), { transports: [secure, clear], allowInsecure: true });
    expect(good.connections).toBe(1);
  });

  it("does not take the place of one with TLS that is blocked", async () => {
    const good = await brokerBy("mqtt");
    const entry = { tls: await freePort(HOST), port: good.port };
    expect(await starting(entry, { transports: ["mqtts", "mqtt"] })).toMatchObject({ code: "NO_BROKER" });
    expect(good.connections).toBe(0);
  });

  it("does not take the place of wss in the default order", async () => {
    const [bad, good] = await Promise.all([brokerBy("wss"), brokerBy("ws")]);
    expect(await starting({ wss: bad.port, ws: good.port })).toMatchObject({ code: "NO_BROKER" });
    expect(good.connections).toBe(0);
  });

  it("gives way to one with TLS when it is blocked", async () => {
    const secure = await brokerBy("wss");
    await startPeer(poolAt({ port: await freePort(HOST), wss: secure.port }), { ca });
    expect(secure.connections).toBe(1);
  });
});

describe("what became of a broker's transports", () => {
  it("is told of each", async () => {
    const [port, ws] = await Promise.all([freePort(HOST), freePort(HOST)]);
    const error = await starting({ port, ws });
    expect(error).toEqual(becauseOf(/^mqtt: .*ECONNREFUSED.*; ws: .*ECONNREFUSED/));
  });

  it("is told while the next one is tried", async () => {
    const silent = await startLittleServer();
    const peer = makePeer(poolAt({ port: await freePort(HOST), ws: silent.port }));
    const started = peer.start({ timeoutMs: 200 });
    await expect(started).rejects.toEqual(becauseOf(/ECONNREFUSED/));
    expect(peer.stats().brokers).toMatchObject([{ state: "connecting" }]);
  });
});
