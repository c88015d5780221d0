import { describe, expect, it } from "vitest";
import { AppPacket, Keypair, MessageType, type PacketFields } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { forkPeer, type StartedPeer, startPeerProcess } from "../support/peer-process.js";
import { poolOf, use } from "../support/peers.js";
import { startProxy } from "../support/proxy.js";
import { connectRaw } from "../support/raw-client.js";

/** So long the application keeps its thread: longer than every wait of a connection. */
const BUSY_MS = 4500;

/** After so long the thread is busy for certain, and an answer comes in. */
const LATER_MS = 700;

const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => `message ${i}`);

const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LATER_MS));

function pack(keys: Keypair, fields: Pick<PacketFields, "queueId" | "sequence" | "type">, text: string) {
  const timestamp = Math.floor(Date.now() / 1000);
  return AppPacket.pack({ ...fields, timestamp, message: new TextEncoder().encode(text) }, keys);
}

describe("a thread that its application keeps busy", () => {
  it("counts an ACK that came in meanwhile", async () => {
    const broker = use(await startEmbeddedBroker());
    const ben = Keypair.generate();
    const raw = await connectRaw(broker, [ben.publicKeyHex]);
    const ann = await startPeerProcess({ brokers: poolOf([broker]), families: ["IPv4"] });
    const asked = raw.next();
    const sent = ann.call("send", ben.publicKeyHex, ["hello"], { timeoutMs: 2000 });
    const message = await AppPacket.unpack(await asked);
    if (message === null) throw new Error("not a packet");
    const busy = ann.call("work", BUSY_MS);
    await later();
    await raw.publish(ann.address, await pack(ben, { ...message, type: MessageType.Ack }, "ack"));
    await busy;
    expect(await sent).toEqual(["hello".length]);
  });

  it("gives up no gap whose message came in meanwhile", async () => {
    const broker = use(await startEmbeddedBroker());
    const raw = await connectRaw(broker);
    const ben = await startPeerProcess({ brokers: poolOf([broker]), families: ["IPv4"] });
    const ann = Keypair.generate();
    const queueId = "ab".repeat(32);
    const publish = async (sequence: number): Promise<void> =>
      raw.publish(
        ben.address,
        await pack(ann, { queueId, sequence, type: MessageType.Message }, `message ${sequence}`),
      );
    await publish(0);
    await publish(2);
    while ((await ben.call("stats")).received === 0);
    const busy = ben.call("work", BUSY_MS);
    await later();
    await publish(1);
    await busy;
    while ((await ben.call("stats")).received < 3);
    expect(await ben.call("shown")).toEqual(texts(3));
    expect((await ben.call("stats")).dropped).toEqual({});
  });

  it("keeps a session whose answer to a ping came in meanwhile", async () => {
    const broker = use(await startEmbeddedBroker());
    let pinged = (): void => {};
    const isPinged = new Promise<void>((resolve) => {
      pinged = resolve;
    });
    const proxy = use(
      await startProxy("127.0.0.1", broker, (packet, _, passage) => {
        if (packet.cmd === "pingreq") pinged();
        passage.pass(packet, packet.cmd === "pingresp" ? LATER_MS : 0);
      }),
    );
    const ann = await startPeerProcess({ brokers: poolOf([proxy]), families: ["IPv4"] });
    // Nobody answers, so the broker is asked for a sign of life.
    const sent = ann.call("send", Keypair.generate().publicKeyHex, ["hello"], { timeoutMs: 1000 });
    await isPinged;
    await ann.call("work", BUSY_MS);
    expect(await sent).toEqual([0]);
    expect(await ann.call("losses")).toEqual([]);
  });

  it("completes a connection whose broker answered meanwhile", async () => {
    const broker = use(await startEmbeddedBroker());
    let dialled = (): void => {};
    const isDialled = new Promise<void>((resolve) => {
      dialled = resolve;
    });
    const proxy = use(
      await startProxy("127.0.0.1", broker, (packet, _, passage) => {
        if (packet.cmd === "connect") dialled();
        // Both, as nothing overtakes on one connection.
        passage.pass(packet, packet.cmd === "connack" || packet.cmd === "suback" ? LATER_MS : 0);
      }),
    );
    const ann = await forkPeer();
    const started = ann.call("start", { brokers: poolOf([proxy]), families: ["IPv4"] });
    await isDialled;
    await ann.call("work", BUSY_MS);
    await started;
    expect(await ann.call("losses")).toEqual([]);
  });
});

describe("a process that is stopped in the middle of 500 sealed sends", () => {
  /** Two peers in processes of their own, at three brokers that are in neither. */
  async function twoPeers(): Promise<[StartedPeer, StartedPeer]> {
    const brokers = await Promise.all(
      ["127.0.0.1", "127.0.0.2", "127.0.0.3"].map(async (host) => use(await startEmbeddedBroker(host))),
    );
    const options = { brokers: poolOf(brokers), families: ["IPv4"], encrypt: true } as const;
    return await Promise.all([startPeerProcess(options), startPeerProcess(options)]);
  }

  it.each([
    ["the sender", 0, 1000],
    ["the sender", 0, 5000],
    ["the receiver", 1, 1000],
    ["the receiver", 1, 5000],
  ] as const)("%s: no message is refused, no gap given up", async (_, which, ms) => {
    const peers = await twoPeers();
    const [ann, ben] = peers;
    const sent = ann.call("send", ben.address, texts(500), { timeoutMs: 20_000 });
    for (let shown = 0; shown < 100; ) shown = (await ben.call("shown")).length;
    peers[which].stop();
    await new Promise((resolve) => setTimeout(resolve, ms));
    peers[which].resume();
    expect(await sent).toEqual(texts(500).map((text) => text.length));
    expect(await ben.call("shown")).toEqual(texts(500));
    expect((await ben.call("stats")).dropped).toEqual({});
    expect(await ann.call("losses")).toEqual([]);
    expect(await ben.call("losses")).toEqual([]);
  });
});
