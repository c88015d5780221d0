import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BrokerError } from "../../src/base/errors.js";
import { openLink } from "../../src/brokers/broker-link.js";
import { LineSpeed } from "../../src/brokers/line-speed.js";
import { ReadScheduler } from "../../src/brokers/read-scheduler.js";
import type { BrokerEvent } from "../../src/index.js";
import { platform } from "../../src/platform/node.js";
import { usedBytes } from "../strangers/receiving.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { makeSubscriber } from "../support/links.js";
import { startPeer, use } from "../support/peers.js";
import { ATTACKS, type Attack } from "./attacks.js";
import { BlockWatch } from "./block-watch.js";
import { ca, startHostile } from "./hostile-process.js";

const HOST = "127.0.0.1";

/** How long what has no end is endured, ms. */
const ENDURED_MS = 500;

/** How long a broker that floods is dialled again whenever it was left, s. */
const FLOOD_SECONDS = Number(process.env.HOSTILE_SECONDS ?? 0.5);

/** How a session with a hostile broker went: what it ended with, if it did. */
async function endure(
  transport: "mqtt" | "mqtts" | "ws" | "wss",
  port: number,
  { ends, arrives }: Attack,
): Promise<BrokerError | undefined> {
  const { ca: trusted } = platform.parseSocketOptions(undefined, ca);
  const controller = new AbortController();
  let onArrival: () => void = () => {};
  const arrived = new Promise<undefined>((resolve) => {
    onArrival = () => resolve(undefined);
  });
  const listener = makeSubscriber({
    maxPayloadBytes: 300_000,
    onMessage: ({ length }) => {
      if (length === arrives) onArrival();
    },
  });
  const ended = new Promise<BrokerError>((resolve) => {
    const target = {
      transport,
      family: "IPv4",
      host: HOST,
      port,
      path: "/mqtt",
      localAddress: undefined,
      publicOnly: false,
      ca: trusted,
    } as const;
    openLink(
      {
        broker: { host: HOST, family: "IPv4", weight: 1 },
        target,
        isPipelined: true,
        connectTimeoutMs: 10_000,
        scheduler: new ReadScheduler(),
        speed: new LineSpeed(),
        subscribers: () => [listener],
        onClose: resolve,
      },
      controller.signal,
    ).then((link) => controller.signal.addEventListener("abort", () => void link.close(false)), resolve);
  });
  const patience =
    ends === undefined && arrives === undefined
      ? [new Promise<undefined>((resolve) => setTimeout(resolve, ENDURED_MS, undefined))]
      : [];
  try {
    return await Promise.race([ended, arrived, ...patience]);
  } finally {
    controller.abort();
  }
}

describe.each(["mqtt", "mqtts", "ws", "wss"] as const)("a hostile broker over %s", (transport) => {
  const attacks = Object.entries(ATTACKS).filter(
    ([, { isFramed }]) => !isFramed || transport.startsWith("ws"),
  );
  let watch: BlockWatch;
  let before = 0;
  let ports: ReadonlyMap<string, number> = new Map();

  beforeAll(async () => {
    const names = attacks.map(([name]) => name);
    const hostile = await startHostile(transport, names, afterAll);
    ports = new Map(names.map((name, i) => [name, hostile.ports[i] ?? 0]));
    before = await usedBytes();
    watch = new BlockWatch();
  });
  afterAll(() => watch.stop());

  it.each(attacks)("does no harm by %s", async (name, attack) => {
    let longest = Number.POSITIVE_INFINITY;
    // Now and then garbage is collected for as long; what an attack does, it does each time.
    for (let tries = 5; tries > 0 && longest >= 50; tries--) {
      watch.take();
      const error = await endure(transport, ports.get(name) ?? 0, attack);
      const { longestMs, mostBytes } = watch.take();
      longest = longestMs;
      if (attack.ends === undefined) expect(error).toBeUndefined();
      else expect(error?.message).toMatch(attack.ends);
      expect((mostBytes - before) / 1e6).toBeLessThan(100);
    }
    expect(longest).toBeLessThan(50);
  });

  it(`does no harm by QoS 2 without end, dialled again and again for ${FLOOD_SECONDS} s`, {
    timeout: FLOOD_SECONDS * 1000 + 30_000,
  }, async () => {
    const name = "QoS 2 without end";
    const attack = ATTACKS[name];
    if (attack === undefined) throw new Error(`no attack ${name}`);
    watch.take();
    let sessions = 0;
    const endsAt = performance.now() + FLOOD_SECONDS * 1000;
    while (performance.now() < endsAt) {
      const error = await endure(transport, ports.get(name) ?? 0, attack);
      expect(error?.message).toMatch(/QoS 2/);
      sessions++;
    }
    const { mostBytes } = watch.take();
    const [most, left] = [mostBytes, await usedBytes()].map((bytes) => (bytes - before) / 1e6);
    console.log(
      `${transport}: ${sessions} sessions in ${FLOOD_SECONDS} s, ${most?.toFixed(1)} MB more at most, ${left?.toFixed(1)} MB at the end`,
    );
    expect(sessions).toBeGreaterThan(FLOOD_SECONDS);
    expect(most).toBeLessThan(100);
  });

  it("leaves nothing behind", async () => {
    expect(((await usedBytes()) - before) / 1e6).toBeLessThan(10);
  });
});

describe("the router", () => {
  it("tells why it left a broker, in its stats and its events, and goes on with an honest one", async () => {
    const hostile = await startHostile("mqtt", ["QoS 2 without end"], afterAll);
    const [port = 0] = hostile.ports;
    const honest = use(await startEmbeddedBroker("127.0.0.2"));
    const ben = await startPeer({ IPv4: { "127.0.0.2": { port: honest.port } } });
    const events: BrokerEvent[] = [];
    const ann = await startPeer({ IPv4: { [HOST]: { port }, "127.0.0.2": { port: honest.port } } });
    ann.on("broker", (event) => events.push(event));
    const words = "broke the MQTT protocol: a PUBLISH at QoS 2, where 1 is the highest granted";
    await expect
      .poll(() => events)
      .toContainEqual({
        broker: { family: "IPv4", host: HOST, port },
        state: "waiting",
        error: expect.objectContaining({ code: "BROKER", reason: "protocol", message: words }),
      });
    const stats = ann.stats().brokers.find(({ host }) => host === HOST);
    expect(stats?.failures).toBeGreaterThan(0);
    expect(stats?.lastError ?? words).toBe(words);
    expect(await (await ann.pipe(ben.address)).send("all the same")).toBe(12);
  });
});
