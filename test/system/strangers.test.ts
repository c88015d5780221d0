import { once } from "node:events";
import { createServer } from "node:net";
import { parser } from "mqtt-packet";
import { describe, expect, it, onTestFinished } from "vitest";
import { AppPacket, type DroppedEvent, Keypair, MessageType, type Router } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { makePeer, poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";
import { connectRaw } from "../support/raw-client.js";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const seconds = (): number => Math.floor(Date.now() / 1000);
const QUEUE = "ab".repeat(32);

/** Resolves with the next packet that the router drops. */
function nextDrop(router: Router): Promise<DroppedEvent> {
  return new Promise((resolve) => router.once("dropped", resolve));
}

describe("junk on the wire is dropped and counted", () => {
  it.each([
    ["nothing", new Uint8Array(), "malformed"],
    ["text", text("hello?"), "malformed"],
    ["141 bytes", new Uint8Array(141).fill(2), "malformed"],
    [
      "random bytes with a key's prefix",
      Uint8Array.from({ length: 300 }, (_, i) => (i === 141 ? 1 : 2 + i)),
      "bad-signature",
    ],
    ["more than the limit", new Uint8Array(142 + 65_537).fill(2), "too-large"],
  ])("%s", async (_, payload, reason) => {
    const broker = use(await startEmbeddedBroker());
    const ann = await startPeer(poolOf([broker]));
    const shown = record(ann);
    const stranger = await connectRaw(broker);
    const dropped = nextDrop(ann);
    await stranger.publish(ann.address, payload);
    expect(await dropped).toMatchObject({ reason, broker: { host: broker.host } });
    expect(ann.stats().dropped).toEqual({ [reason]: 1 });
    expect(shown).toEqual([]);
  });

  it("a packet that somebody else signed, and one of another time", async () => {
    const broker = use(await startEmbeddedBroker());
    const ann = await startPeer(poolOf([broker]));
    const shown = record(ann);
    const stranger = await connectRaw(broker);
    const [ben, mallory] = [Keypair.generate(), Keypair.generate()];
    const pack = (timestamp: number, sign = ben): Promise<Uint8Array> =>
      AppPacket.pack(
        { queueId: QUEUE, sequence: 0, timestamp, type: MessageType.Message, message: text("hi") },
        { publicKey: ben.publicKey, sign: (part) => sign.sign(part) },
      );
    for (const [payload, reason, ageMs] of [
      [await pack(seconds(), mallory), "bad-signature", undefined],
      [await pack(seconds() - 130), "too-old", 130_000],
      [await pack(seconds() + 130), "too-new", -130_000],
    ] as const) {
      const dropped = nextDrop(ann);
      await stranger.publish(ann.address, payload);
      const drop = await dropped;
      expect(drop).toMatchObject({ reason, from: ben.publicKeyHex });
      if (ageMs !== undefined) expect(Math.abs((drop.ageMs ?? 0) - ageMs)).toBeLessThan(5000);
    }
    expect(shown).toEqual([]);
  });
});

describe("a replayed packet", () => {
  it("is acknowledged again and shown once, on whatever broker it comes", async () => {
    const brokers = [
      use(await startEmbeddedBroker("127.0.0.1")),
      use(await startEmbeddedBroker("127.0.0.2")),
    ] as const;
    const [ann, ben] = await Promise.all([startPeer(poolOf(brokers)), startPeer(poolOf(brokers))]);
    await untilBrokers(ben, () => ben.hints().length === 2);
    const shown = record(ben);
    const spies = await Promise.all(brokers.map((broker) => connectRaw(broker, [ben.address, ann.address])));
    await (await ann.pipe(ben.address)).send("once");
    const [spy] = spies;
    const recorded = spy?.seen.find((payload) => payload[141] === MessageType.Message);
    if (recorded === undefined) throw new Error("nothing was recorded");
    for (const client of spies) {
      const answered = client.next((payload) => payload[141] === MessageType.Ack);
      await client.publish(ben.address, recorded);
      const ack = await AppPacket.unpack(await answered);
      expect(ack).toMatchObject({ source: ben.address, sequence: 0 });
    }
    expect(shown.map((message) => message.text())).toEqual(["once"]);
    expect(ben.stats().received).toBe(1);
  });
});

describe("an ACK from somebody else", () => {
  it("settles nothing: from a stranger, for another queue, or for another peer", async () => {
    const broker = use(await startEmbeddedBroker());
    const ann = await startPeer(poolOf([broker]));
    const [ben, carol] = [Keypair.generate(), Keypair.generate()];
    const stranger = await connectRaw(broker, [ben.publicKeyHex]);
    const asked = stranger.next();
    const pipe = await ann.pipe(ben.publicKeyHex);
    const sent = pipe.send("who is there?", { timeoutMs: 600 });
    const message = await AppPacket.unpack(await asked);
    if (message === null) throw new Error("not a packet");
    const { queueId, sequence } = message;
    const ack = { queueId, sequence, timestamp: seconds(), type: MessageType.Ack, message: text("ack") };
    const forge = (
      fields: Partial<typeof ack>,
      keys: Keypair,
      publicKey = keys.publicKey,
    ): Promise<Uint8Array> =>
      AppPacket.pack({ ...ack, ...fields }, { publicKey, sign: (part) => keys.sign(part) });
    for (const payload of [
      await forge({}, carol),
      await forge({}, carol, ben.publicKey),
      await forge({ queueId: QUEUE }, ben),
      await forge({ sequence: sequence + 1 }, ben),
      await forge({ type: MessageType.Probe } as object, ben),
    ]) {
      await stranger.publish(ann.address, payload);
    }
    expect(await sent).toBe(0);
    // The very same, by the right key, does settle: nothing but the key was missing.
    const next = stranger.next();
    const second = pipe.send("and now?", { timeoutMs: 2000 });
    const again = await AppPacket.unpack(await next);
    await stranger.publish(
      ann.address,
      await forge({ ...again, type: MessageType.Ack, timestamp: seconds() }, ben),
    );
    expect(await second).toBe(8);
  });
});

describe("a broker that is no use", () => {
  it.each([1, 2, 3, 4, 5])("refuses with CONNACK code %i: said, and the next one is used", async (code) => {
    const good = use(await startEmbeddedBroker("127.0.0.1"));
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.write(Uint8Array.of(0x20, 2, 0, code)));
    });
    server.listen(0, "127.0.0.2");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    const bad = {
      host: "127.0.0.2",
      port: typeof address === "object" && address !== null ? address.port : 0,
    };
    const ann = await startPeer(poolOf([good, bad]));
    const report = () => ann.stats().brokers.find(({ host }) => host === bad.host);
    await untilBrokers(ann, () => report()?.state === "waiting");
    expect(report()?.lastError).toContain(`code ${code}`);
    expect(ann.hints().map(({ host }) => host)).toEqual([good.host]);
  });

  it.each([
    ["downgrades the subscription to QoS 0", 0, "granted QoS 0"],
    ["denies the subscription", 128, "refused"],
  ])("%s: said, and the next one is used", async (_, granted, problem) => {
    const good = use(await startEmbeddedBroker("127.0.0.1"));
    const server = createServer((socket) => {
      socket.on("error", () => {});
      const reader = parser();
      reader.on("packet", ({ cmd, messageId = 0 }) => {
        if (cmd === "connect") socket.write(Uint8Array.of(0x20, 2, 0, 0));
        if (cmd === "subscribe")
          socket.write(Uint8Array.of(0x90, 3, messageId >> 8, messageId & 255, granted));
      });
      socket.on("data", (bytes) => reader.parse(bytes));
    });
    server.listen(0, "127.0.0.2");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const address = server.address();
    const bad = {
      host: "127.0.0.2",
      port: typeof address === "object" && address !== null ? address.port : 0,
    };
    const ann = await startPeer(poolOf([good, bad]));
    const report = () => ann.stats().brokers.find(({ host }) => host === bad.host);
    await untilBrokers(ann, () => report()?.state === "waiting");
    expect(report()?.lastError).toContain(problem);
  });

  it("accepts and says nothing: given up after the connect timeout", async () => {
    const silent = createServer((socket) => void socket.on("error", () => {}));
    silent.listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => void silent.close());
    const address = silent.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const ann = makePeer(poolOf([{ host: "127.0.0.1", port }]));
    const started = performance.now();
    await expect(ann.start()).rejects.toMatchObject({
      code: "NO_BROKER",
      brokers: [{ error: expect.stringContaining("4000 ms") }],
    });
    expect(performance.now() - started).toBeLessThan(6000);
    await expect(ann.start({ timeoutMs: 50 })).rejects.toMatchObject({ code: "NO_BROKER" });
    await expect(ann.start({ signal: AbortSignal.timeout(20) })).rejects.toMatchObject({ code: "ABORTED" });
  });
});
