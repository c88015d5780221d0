import { describe, expect, it } from "vitest";
import { AppPacket, Keypair, MessageType, Router } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, record, startPeer, use } from "../support/peers.js";
import { connectRaw } from "../support/raw-client.js";

const SECRET = "the treasure is under the oak";

describe("a sealed message", () => {
  it("is read by its destination, and by nobody on the broker", async () => {
    const broker = use(await startEmbeddedBroker());
    const pool = poolOf([broker]);
    const [ann, ben] = await Promise.all([
      startPeer(pool, { encrypt: true }),
      startPeer(pool, {
        requireEncryption: true,
        onMessage: (message) => message.reply(`re: ${message.text()}`),
      }),
    ]);
    const spy = await connectRaw(broker, [ann.address, ben.address]);
    const replies = ann.messages();
    const shown = record(ben);
    const receipt = await (await ann.pipe(ben.address)).deliver(SECRET);
    expect(receipt.bytes).toBe(SECRET.length);
    expect(shown[0]).toMatchObject({ sealed: true, from: ann.address });
    expect(shown[0]?.text()).toBe(SECRET);
    const { value: reply } = await replies.next();
    expect(reply).toMatchObject({ sealed: true });
    expect(reply?.text()).toBe(`re: ${SECRET}`);
    expect(spy.seen.length).toBeGreaterThan(0);
    for (const payload of spy.seen) expect(payload.includes("treasure")).toBe(false);
  });

  it("is asked for by the pipe as well, and refused to be forgotten where it is required", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool, { requireEncryption: true })]);
    const shown = record(ben);
    expect(await (await ann.pipe(ben.address)).send("in the open", { timeoutMs: 500 })).toBe(0);
    expect(ben.stats().dropped["not-sealed"]).toBeGreaterThan(0);
    expect(await (await ann.pipe(ben.address, { encrypt: true })).send("sealed")).toBe(6);
    expect(shown.map((message) => message.text())).toEqual(["sealed"]);
  });

  it("does not open in another packet, even one signed by its own sender", async () => {
    const broker = use(await startEmbeddedBroker());
    const pool = poolOf([broker]);
    const keys = Keypair.generate();
    const ann = use(
      new Router(keys, { getTime: Date.now, brokers: pool, families: ["IPv4"], encrypt: true }),
    );
    const ben = await startPeer(pool);
    await ann.start();
    const shown = record(ben);
    const spy = await connectRaw(broker, [ben.address]);
    const seen = spy.next();
    await (await ann.pipe(ben.address)).send(SECRET);
    const packet = await AppPacket.unpack(await seen);
    if (packet === null) throw new Error("not a packet");
    const { queueId, timestamp, message } = packet;
    const changed = Uint8Array.from(message);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    for (const [signer, fields] of [
      [keys, { queueId, sequence: 1, message }],
      [keys, { queueId: "ab".repeat(32), sequence: 0, message }],
      [Keypair.generate(), { queueId, sequence: 0, message }],
      [keys, { queueId, sequence: 2, message: changed }],
      [keys, { queueId, sequence: 3, message: message.subarray(0, 60) }],
    ] as const) {
      const dropped = new Promise((resolve) => ben.once("dropped", resolve));
      await spy.publish(
        ben.address,
        await AppPacket.pack({ ...fields, timestamp, type: MessageType.Message }, signer),
      );
      expect(await dropped).toMatchObject({ reason: "not-opened" });
    }
    expect(shown).toHaveLength(1);
  });

  it("keeps order and counts among 500 sent without waiting, in both kinds of pipe at once", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    const pipes = await Promise.all([ann.pipe(ben.address, { encrypt: true }), ann.pipe(ben.address)]);
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    const sent = await Promise.all(
      pipes.flatMap((pipe) => numbers.map((i) => pipe.send(`${i}`, { timeoutMs: 15_000 }))),
    );
    expect(sent).not.toContain(0);
    for (const sealed of [true, false]) {
      const texts = shown
        .filter((message) => message.sealed === sealed)
        .map((message) => Number(message.text()));
      expect(texts).toEqual(numbers);
    }
  });

  it("can be of the full length; an unsealed one cannot pass for sealed", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool)]);
    const shown = record(ben);
    expect(await (await ann.pipe(ben.address, { encrypt: true })).send(new Uint8Array(61_440).fill(7))).toBe(
      61_440,
    );
    expect(shown[0]?.data).toHaveLength(61_440);
    const pipe = await ann.pipe(ben.address);
    const lookalike = Uint8Array.of(0xff, 0x53, 0x57, 1, 2, 3);
    await expect(pipe.send(lookalike)).rejects.toMatchObject({ code: "INVALID_OPTION", path: "data" });
  });

  it("cannot be required of an identity that cannot open it", async () => {
    const keys = Keypair.generate();
    const token = { publicKey: keys.publicKey, sign: (part: Uint8Array) => keys.sign(part) };
    const options = { getTime: Date.now, requireEncryption: true };
    expect(() => new Router(token, options)).toThrow(expect.objectContaining({ code: "INVALID_KEY" }));
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const ben = use(new Router(token, { getTime: Date.now, brokers: pool, families: ["IPv4"] }));
    const ann = await startPeer(pool, { encrypt: true });
    await ben.start();
    const dropped = new Promise((resolve) => ben.once("dropped", resolve));
    expect(await (await ann.pipe(ben.address)).send(SECRET, { timeoutMs: 500 })).toBe(0);
    expect(await dropped).toMatchObject({ reason: "not-opened" });
  });
});
