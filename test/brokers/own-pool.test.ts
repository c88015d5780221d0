import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { parseBrokerPool } from "../../src/index.js";
import { freePort } from "../support/free-port.js";
import { type RunMosquitto, withMosquitto } from "../support/needs.js";
import { record, startPeer, untilBrokers } from "../support/peers.js";
import { retrying } from "../support/server-process.js";
import { ca, files, mosquittoUser } from "./candidates.js";

const FOLDER = join(import.meta.dirname, "../../examples/own-pool");
const text = (name: string): string => readFileSync(join(FOLDER, name), "utf8");
const CONFIG = text("mosquitto.conf");

/** What the configuration says under a name, each time. */
const said = (name: string): string[] =>
  [...CONFIG.matchAll(new RegExp(`^${name} (.*)$`, "gm"))].map(([, value = ""]) => value);

interface Service {
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
}

const { services }: { services: Record<string, Service> } = parse(text("compose.yaml"), { merge: true });

describe("the compose file", () => {
  it("has three brokers", () => {
    expect(Object.keys(services)).toEqual(["broker-1", "broker-2", "broker-3"]);
  });

  it.each(Object.entries(services))("%s: publishes the listeners and mounts the files", (_, service) => {
    const inside = service.ports.map((mapping) => mapping.split(":")[1]);
    expect(inside).toEqual(said("listener"));
    const mounted = service.volumes.map((volume) => volume.split(":")[1] ?? "");
    const named = ["password_file", "acl_file", "certfile", "keyfile"].flatMap(said);
    expect(named).toHaveLength(6);
    for (const path of [...named, "/mosquitto/config/mosquitto.conf"]) {
      expect(mounted.filter((target) => path === target || path.startsWith(`${target}/`))).toHaveLength(1);
    }
    // All but what is a secret is here.
    const sources = service.volumes.map((volume) => volume.split(":")[0] ?? "");
    const missing = sources.filter((source) => !existsSync(join(FOLDER, source)));
    expect(missing).toEqual(["./passwords", "./certs"]);
    expect(service.volumes.every((volume) => volume.endsWith(":ro"))).toBe(true);
  });

  it("gives each broker host ports of its own, the first one those of the pool file", () => {
    const outside = Object.values(services).map(({ ports }) =>
      ports.map((port) => Number(port.split(":")[0])),
    );
    expect(new Set(outside.flat()).size).toBe(9);
    const pool = parseBrokerPool(text("brokers.json"));
    const entries = Object.values(pool.IPv4 ?? {});
    expect(entries).toHaveLength(3);
    for (const { port, tls, wss } of entries) expect([port, tls, wss]).toEqual(outside[0]);
  });

  it("leaves room for the longest message that may be sent, sealed", () => {
    // Packed: docs/protocol.md; the topic, and what MQTT puts before it.
    const sealed = 67_584 + 4 + 33 + 16;
    expect(Number(said("max_packet_size"))).toBeGreaterThan(142 + sealed + 66 + 6);
  });
});

const monitor = { username: "monitor", password: "secret" };

interface OwnBroker {
  readonly host: string;
  readonly mqtt: number;
  readonly mqtts: number;
  readonly wss: number;
  kill(): Promise<void>;
}

/** Runs mosquitto with the example's configuration, moved to other ports and folders. */
async function runOwn(
  mosquitto: RunMosquitto,
  host = "127.0.0.1",
  change = (config: string): string => config,
): Promise<OwnBroker> {
  const folder = mkdtempSync(join(tmpdir(), "sidewire-own-pool-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "passwords"), mosquittoUser(monitor));
  const { server, ports } = await retrying(async () => {
    const ports = await Promise.all([1, 2, 3].map(() => freePort(host)));
    let config = change(CONFIG)
      .replaceAll("/mosquitto/config/acl", join(FOLDER, "acl"))
      .replaceAll("/mosquitto/config/passwords", join(folder, "passwords"))
      .replaceAll("/mosquitto/certs/fullchain.pem", files.cert)
      .replaceAll("/mosquitto/certs/privkey.pem", files.key);
    for (const [i, port] of said("listener").entries())
      config = config.replace(`listener ${port}\n`, `listener ${ports[i]} ${host}\n`);
    return { ports, server: await mosquitto(config) };
  });
  onTestFinished(() => server.kill());
  const [tcp = 0, tls = 0, web = 0] = ports;
  return { host, mqtt: tcp, mqtts: tls, wss: web, kill: () => server.kill() };
}

function connect({ host, mqtt: port }: OwnBroker, options: IClientOptions = {}): MqttClient {
  const client = mqtt.connect({ host, port, reconnectPeriod: 0, ...options });
  client.on("error", () => {});
  onTestFinished(() => void client.end(true));
  return client;
}

const connected = (client: MqttClient): Promise<boolean> =>
  new Promise((resolve) => {
    client.once("connect", () => resolve(true));
    client.once("close", () => resolve(false));
  });

/** The topics of the messages that come before the one on `end`. */
function topicsUntil(client: MqttClient, end: string): Promise<string[]> {
  const topics: string[] = [];
  return new Promise((resolve) => {
    client.on("message", (topic) => {
      if (topic === end) resolve(topics);
      else topics.push(topic);
    });
  });
}

withMosquitto("a broker of one's own pool", (mosquitto) => {
  const run = (host?: string, change?: (config: string) => string): Promise<OwnBroker> =>
    runOwn(mosquitto, host, change);

  it("brings peers together over TCP, TLS and WebSocket, takes the longest message there is, and nothing longer", async () => {
    const broker = await run();
    const entries = [{ port: broker.mqtt }, { tls: broker.mqtts }, { wss: broker.wss }];
    const peers = await Promise.all(
      entries.map((entry) => startPeer({ IPv4: { "127.0.0.1": entry } }, { ca })),
    );
    for (const from of peers) {
      for (const to of peers) expect(await (await from.pipe(to.address)).send("hello")).toBe(5);
    }
    const pool = { IPv4: { "127.0.0.1": { port: broker.mqtt } } };
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const pipe = await ann.pipe(ben.address, { encrypt: true });
    expect(await pipe.send(new Uint8Array(61_440))).toBe(61_440);
    const sender = connect(broker);
    expect(await connected(sender)).toBe(true);
    const closed = new Promise<void>((resolve) => sender.once("close", () => resolve()));
    sender.publish("address", Buffer.alloc(70_000));
    await closed;
  });

  it("carries topics of one level alone, keeps none, and shows its statistics to its monitor alone", async () => {
    const broker = await run("127.0.0.1", (config) => config.replace("sys_interval 10", "sys_interval 1"));
    const [anybody, watcher] = [connect(broker), connect(broker, monitor)];
    expect(await Promise.all([anybody, watcher].map(connected))).toEqual([true, true]);
    const uptime = new Promise((resolve) => watcher.once("message", resolve));
    await anybody.subscribeAsync(["#", "$SYS/#"], { qos: 1 });
    const seen = topicsUntil(anybody, "end");
    await watcher.subscribeAsync("$SYS/broker/uptime", { qos: 1 });
    // By now, the statistics were sent to whoever may have them.
    await uptime;
    for (const topic of ["a/tree/of/topics", "address", "$SYS/broker/uptime", "end"])
      await anybody.publishAsync(topic, "x", { qos: 1 });
    expect(await seen).toEqual(["address"]);
    expect(await connected(connect(broker, { ...monitor, password: "guessed" }))).toBe(false);

    const [sender, listener] = [connect(broker), connect(broker)];
    expect(await Promise.all([sender, listener].map(connected))).toEqual([true, true]);
    const closed = new Promise<void>((resolve) => sender.once("close", () => resolve()));
    const taken = sender.publishAsync("address", "kept?", { retain: true, qos: 1 });
    await Promise.race([closed, taken]);
    const kept = topicsUntil(listener, "end");
    await listener.subscribeAsync(["address", "end"], { qos: 1 });
    listener.publish("end", "");
    expect(await kept).toEqual([]);
  });

  it("takes no more connections than it is told to, and goes on serving those", async () => {
    const limit = Number(said("max_connections")[0]);
    expect(said("max_connections")).toEqual(said("listener").map(() => `${limit}`));
    const broker = await run("127.0.0.1", (config) =>
      config.replaceAll(`max_connections ${limit}`, "max_connections 2"),
    );
    const [first, second] = [connect(broker), connect(broker)];
    expect(await Promise.all([first, second].map(connected))).toEqual([true, true]);
    expect(await connected(connect(broker))).toBe(false);
    await first.subscribeAsync("address", { qos: 1 });
    const came = new Promise((resolve) => first.once("message", resolve));
    second.publish("address", "x");
    await came;
  });

  it("is one of three, of which two may fail", async () => {
    const brokers = await Promise.all(["127.0.0.1", "127.0.0.2", "127.0.0.3"].map((host) => run(host)));
    const pool = { IPv4: Object.fromEntries(brokers.map(({ host, mqtt: port }) => [host, { port }])) };
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const open = (router: typeof ann): number =>
      router.stats().brokers.filter(({ state }) => state === "open").length;
    await Promise.all([ann, ben].map((router) => untilBrokers(router, () => open(router) === 3)));
    const shown = record(ben);
    const pipe = await ann.pipe(ben.address);
    for (const broker of [undefined, ...brokers.slice(0, 2)]) {
      await broker?.kill();
      expect(await pipe.send("still there?")).toBe(12);
    }
    expect(shown).toHaveLength(3);
    await brokers[2]?.kill();
    expect(await pipe.send("and now?", { timeoutMs: 300 })).toBe(0);
  });
});
