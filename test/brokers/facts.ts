import { connect } from "node:net";
import mqtt, { type IClientOptions, type MqttClient } from "mqtt";
import { generate } from "mqtt-packet";
import { onTestFinished } from "vitest";
import type { Candidate, RunningBroker } from "./candidates.js";

/** What is peculiar to a broker, in words: what was looked at, and what was seen. */
export type Facts = Readonly<Record<string, string>>;

/** How long something that may never come is waited for. */
const PATIENCE_MS = 4000;

const MIB = 1 << 20;
const ADDRESS = `02${"5a".repeat(32)}`;

/** Looks at a broker with bare MQTT clients. */
export async function observe(candidate: Candidate, broker: RunningBroker): Promise<Facts> {
  const open = opener(broker.ports.mqtt);
  const looks: Readonly<Record<string, () => Promise<string>>> = {
    version: async () => broker.version,
    "WebSocket path": () => webSocketPaths(broker.ports.ws),
    "grants for QoS 0, 1, 2": () => grants(open),
    "longest client id": () => longestClientId(open),
    "same client id again": () => takeover(open),
    "no client id": () => answer(open({ clientId: "" })),
    "wrong password": () => answer(open({ username: candidate.user.username, password: "guessed" })),
    "silent beyond its keep-alive": () => silence(broker.ports.mqtt),
    "delivers QoS 0, 1 to QoS 1 as": () => deliveredQos(open),
    "copies by `x/y`, `x/+`, `x/#`": () => copies(open, ["x/y", "x/+", "x/#"]),
    "copies by `x/y` twice": () => copies(open, ["x/y", "x/y"]),
    "`#` sees all addresses": () => fate(open, ADDRESS, 1, "#").then(yesOr("no")),
    "a message of 1 MiB": () => fate(open, "large/1", MIB),
    "a message of 16 MiB": () => fate(open, "large/16", 16 * MIB),
    "topic with `.`": () => fate(open, "dotted.topic", 1),
    "topic with a space": () => fate(open, "spaced topic", 1),
    "topic of 1000 characters": () => fate(open, "t".repeat(1000), 1),
    "keeps retained messages": () => retained(open),
    "an unknown packet type": () => junk(open),
  };
  const seen = await Promise.all(
    Object.entries(looks).map(async ([name, look]) => [name, await look()] as const),
  );
  return Object.fromEntries(seen);
}

type Open = (options?: IClientOptions) => MqttClient;

function opener(port: number): Open {
  return (options = {}) => {
    const client = mqtt.connect({ host: "127.0.0.1", port, reconnectPeriod: 0, ...options });
    client.on("error", () => {});
    onTestFinished(() => void client.end(true));
    return client;
  };
}

/** Resolves with the client once it is connected. */
async function connected(client: MqttClient): Promise<MqttClient> {
  const result = await answer(client);
  if (result !== "taken") throw new Error(`not connected: ${result}`);
  return client;
}

function closing(client: MqttClient): Promise<true> {
  return new Promise((resolve) => client.once("close", () => resolve(true)));
}

/** What becomes of a CONNECT. */
async function answer(client: MqttClient): Promise<string> {
  return await new Promise((resolve) => {
    client.once("connect", () => resolve("taken"));
    client.once("error", (error: Error & { code?: unknown }) =>
      resolve(typeof error.code === "number" ? `refused with code ${error.code}` : error.message),
    );
    client.once("close", () => resolve("closed"));
  });
}

async function grants(open: Open): Promise<string> {
  const client = await connected(open());
  const granted = await Promise.all(
    ([0, 1, 2] as const).map((qos) => client.subscribeAsync(`${ADDRESS}${qos}`, { qos })),
  );
  return granted.map(([grant]) => grant?.qos).join(", ");
}

async function longestClientId(open: Open): Promise<string> {
  const lengths = [22, 23, 64, 128, 255, 1024, 65_535];
  const answers = await Promise.all(
    lengths.map(async (length) => {
      const client = open({ clientId: "c".repeat(length) });
      const said = await answer(client);
      if (said !== "taken") return said;
      // A name may be taken and still be of no use.
      const subscribed = client.subscribeAsync(ADDRESS, { qos: 1 }).then(() => "taken");
      const lost = closing(client).then(() => "disconnected when it subscribes");
      return await Promise.race([subscribed.catch(() => "not subscribed"), lost]);
    }),
  );
  const refused = answers.findIndex((text) => text !== "taken");
  return refused === -1
    ? "any"
    : `${lengths[refused - 1]}; with ${lengths[refused]} it is ${answers[refused]}`;
}

async function takeover(open: Open): Promise<string> {
  const first = await connected(open({ clientId: "twice" }));
  const closed = orNever(closing(first));
  const second = await answer(open({ clientId: "twice" }));
  return (await closed) ? `${second}, the first is closed` : `${second}, the first stays`;
}

async function silence(port: number): Promise<string> {
  // A bare socket: MQTT.js would ping.
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  socket.resume();
  const closed = new Promise<true>((resolve) => socket.once("close", () => resolve(true)));
  const hello = {
    cmd: "connect",
    protocolId: "MQTT",
    clientId: "silent",
    keepalive: 1,
    clean: true,
  } as const;
  socket.write(generate(hello));
  return (await orNever(closed, 4 * PATIENCE_MS)) ? "closed" : "stays";
}

async function deliveredQos(open: Open): Promise<string> {
  const [listener, sender] = await Promise.all([connected(open()), connected(open())]);
  await listener.subscribeAsync("qos/+", { qos: 1 });
  const seen: number[] = [];
  for (const qos of [0, 1] as const) {
    const came = new Promise<number>((resolve) =>
      listener.once("message", (_topic, _payload, packet) => resolve(packet.qos)),
    );
    await sender.publishAsync(`qos/${qos}`, "x", { qos });
    seen.push(await came);
  }
  return seen.join(", ");
}

async function copies(open: Open, topics: readonly string[]): Promise<string> {
  const name = `copies${topics.length}`;
  const [listener, sender] = await Promise.all([connected(open()), connected(open())]);
  for (const topic of topics) await listener.subscribeAsync(topic.replace("x", name), { qos: 1 });
  let count = 0;
  const more = new Promise<unknown>((resolve) => {
    listener.on("message", () => {
      count++;
      if (count > topics.length) resolve(count);
    });
  });
  await sender.publishAsync(`${name}/y`, "x");
  await orNever(more, 1000);
  return `${count}`;
}

/** What becomes of a message on a topic. */
async function fate(open: Open, topic: string, length: number, filter = topic): Promise<string> {
  const [listener, sender] = await Promise.all([connected(open()), connected(open())]);
  const granted = await listener.subscribeAsync(filter, { qos: 1 }).catch((error: Error) => error);
  if (granted instanceof Error) return listener.connected ? "not subscribed" : "subscriber is disconnected";
  const came = new Promise<string>((resolve) => {
    listener.on("message", (where, payload) => {
      if (where === topic && payload.length === length) resolve("arrives");
    });
    listener.once("close", () => resolve("subscriber is disconnected"));
    sender.once("close", () => resolve("sender is disconnected"));
  });
  sender.publish(topic, Buffer.alloc(length));
  const patienceMs = length < MIB ? PATIENCE_MS : 5 * PATIENCE_MS;
  return (await orNever(came, patienceMs)) ?? "is lost";
}

async function retained(open: Open): Promise<string> {
  const [sender, listener] = await Promise.all([connected(open()), connected(open())]);
  await sender.publishAsync("kept", "x", { retain: true, qos: 1 });
  const came = new Promise<true>((resolve) => listener.once("message", () => resolve(true)));
  await listener.subscribeAsync("kept", { qos: 1 });
  return (await orNever(came)) ? "yes" : "no";
}

async function junk(open: Open): Promise<string> {
  const client = await connected(open());
  const closed = orNever(closing(client));
  client.stream.write(Buffer.from([0xf0, 0x00]));
  return (await closed) ? "closed" : "ignored";
}

async function webSocketPaths(port: number): Promise<string> {
  const paths = ["/", "/mqtt", "/ws"];
  const taken = await Promise.all(
    paths.map(async (path) => {
      const client = mqtt.connect(`ws://127.0.0.1:${port}${path}`, { reconnectPeriod: 0 });
      onTestFinished(() => void client.end(true));
      return (await answer(client)) === "taken" ? [`\`${path}\``] : [];
    }),
  );
  return taken.flat().length === paths.length ? "any" : taken.flat().join(", ");
}

/** What a promise resolves with, or nothing if that takes long. */
async function orNever<T>(promise: Promise<T>, ms: number = PATIENCE_MS): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const never = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return await Promise.race([promise, never]).finally(() => clearTimeout(timer));
}

function yesOr(no: string): (fate: string) => string {
  return (fate) => (fate === "arrives" ? "yes" : no);
}
