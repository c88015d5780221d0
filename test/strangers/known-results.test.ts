import { randomBytes } from "node:crypto";
import { bytesToHex } from "@noble/hashes/utils.js";
import { describe, expect, it, vi } from "vitest";
import { type Identity, Keypair } from "../../src/wire/identity.js";
import { AppPacket, MessageType, PACKET_OVERHEAD } from "../../src/wire/packet.js";
import { seal } from "../../src/wire/seal.js";
import { type Bench, type BenchOptions, layOut, makeBench, START } from "./receiving.js";
import { twinOf } from "./twin.js";

/** How many come in at once, as a socket gives them in one piece, and in all. */
const CHUNK = 300;
const COUNT = 12_000;

const keys = Keypair.generate();
const stranger = Keypair.generate();

interface Fields {
  readonly queueId?: string;
  readonly timestamp?: number;
  readonly type?: MessageType;
}

async function sign(message: Uint8Array, fields: Fields = {}): Promise<Uint8Array> {
  const usual = { sequence: 0, timestamp: START / 1000, type: MessageType.Message };
  const queueId = randomBytes(32).toString("hex");
  return await AppPacket.pack({ queueId, ...usual, message, ...fields }, stranger);
}

async function sealedFor(destination: string, length: number): Promise<Uint8Array> {
  const queueId = randomBytes(32).toString("hex");
  const context = { source: stranger.publicKeyHex, destination, queueId, sequence: 0 };
  return await sign(seal(randomBytes(length), context), { queueId });
}

function sealedForSomebodyElse(length = 100): Promise<Uint8Array> {
  return sealedFor(Keypair.generate().publicKeyHex, length);
}

function wrong(length: number): Uint8Array {
  const source = stranger.publicKey;
  const fields = { source, queueId: randomBytes(32), sequence: 0, timestamp: START / 1000, type: 1 };
  return layOut({ ...fields, message: randomBytes(length) });
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface Flood {
  /** For how long everything else had no turn, at most: processor time, ms. */
  readonly longestMs: number;
  /** For each packet, ms. */
  readonly eachMs: number;
  readonly counts: Bench["counts"];
}

/** Plays a packet again and again, while something else wants its turn. */
async function flood(payload: Uint8Array, options: BenchOptions = {}): Promise<Flood> {
  const { receiver, slot, counts } = await makeBench(keys, options);
  await receiver.receive(slot, payload);
  let pending = 0;
  let longestMs = 0;
  const turn = async (): Promise<void> => {
    const before = cpuMs();
    await new Promise((resolve) => setImmediate(resolve));
    longestMs = Math.max(longestMs, cpuMs() - before);
  };
  const started = cpuMs();
  for (let sent = 0; sent < COUNT; sent += CHUNK) {
    for (let i = 0; i < CHUNK; i++) {
      pending++;
      void receiver.receive(slot, payload).then(() => pending--);
    }
    await turn();
  }
  while (pending > 0) await turn();
  const eachMs = (cpuMs() - started) / COUNT;
  await receiver.end();
  return { longestMs, eachMs, counts };
}

describe("one packet, played again and again", () => {
  it.each<[string, () => Promise<Uint8Array>, BenchOptions?]>([
    ["sealed for somebody else", sealedForSomebodyElse],
    ["sealed for somebody else, 60 KB", () => sealedForSomebodyElse(60_000)],
    ["too old", () => sign(randomBytes(9), { timestamp: START / 1000 - 121 })],
    ["shown before", () => sign(randomBytes(9))],
    ["a probe", () => sign(new Uint8Array(), { type: MessageType.Probe })],
    ["an ACK that nobody waits for", () => sign(new Uint8Array(), { type: MessageType.Ack })],
    ["not accepted", () => sign(randomBytes(9)), { accept: () => false }],
    ["malformed", async () => randomBytes(141)],
  ])("%s: costs little, and everything else has its turn", async (what, make, options) => {
    const payload = await make();
    const length = Math.min(Math.max(payload.length - PACKET_OVERHEAD, 0), 61_440);
    const floor = await flood(wrong(length));
    const { longestMs, eachMs } = await flood(payload, options);
    const us = (ms: number): string => `${(ms * 1000).toFixed(1)} µs`;
    console.log(
      `${what}: ${us(eachMs)} each, a wrong signature ${us(floor.eachMs)}; longest ${longestMs.toFixed(1)} ms`,
    );
    expect(longestMs).toBeLessThan(50);
    // That costs a hash of what came, and no more.
    expect(eachMs).toBeLessThan(4 * floor.eachMs);
  });
});

/** An identity that tells how often it was asked for a secret, which it gives as `secret` says. */
function agent(secret: (publicKey: Uint8Array) => Uint8Array | Promise<Uint8Array>): {
  identity: Identity;
  asked: () => number;
} {
  let count = 0;
  const identity: Identity = {
    publicKey: keys.publicKey,
    sign: (part) => keys.sign(part),
    sharedSecret: (publicKey) => {
      count++;
      return secret(publicKey);
    },
  };
  return { identity, asked: () => count };
}

describe("what does not open", () => {
  it("is opened once, whether a copy comes or its twin", async () => {
    const { identity, asked } = agent((publicKey) => keys.sharedSecret(publicKey));
    const { receiver, slot, counts } = await makeBench(identity);
    const payload = await sealedForSomebodyElse();
    for (const copy of [payload, payload, twinOf(payload), payload]) await receiver.receive(slot, copy);
    expect(counts.dropped).toEqual({ "not-opened": 4 });
    expect(asked()).toBe(1);
  });

  it("is remembered for a thousand messages, and hides nothing that opens", async () => {
    const { identity, asked } = agent((publicKey) => keys.sharedSecret(publicKey));
    const { receiver, slot, counts } = await makeBench(identity);
    const payloads = await Promise.all(Array.from({ length: 1024 }, () => sealedForSomebodyElse()));
    for (let round = 0; round < 2; round++)
      for (const payload of payloads) await receiver.receive(slot, payload);
    expect(asked()).toBe(1024);
    await receiver.receive(slot, await sealedFor(keys.publicKeyHex, 9));
    expect(counts).toMatchObject({ accepted: 1, dropped: { "not-opened": 2048 } });
  });

  it("is tried again where the identity failed: an agent may be locked for a while", async () => {
    let isLocked = true;
    const { identity, asked } = agent((publicKey) => {
      if (isLocked) throw new Error("locked");
      return keys.sharedSecret(publicKey);
    });
    const { receiver, slot, counts } = await makeBench(identity);
    const payload = await sealedFor(keys.publicKeyHex, 9);
    await receiver.receive(slot, payload);
    isLocked = false;
    await receiver.receive(slot, payload);
    expect(asked()).toBe(2);
    expect(counts).toMatchObject({ accepted: 1, dropped: { "not-opened": 1 } });
  });
});

it("copies that come while a message is being opened wait for the same", async () => {
  const open: (() => void)[] = [];
  const { identity, asked } = agent(async (publicKey) => {
    await new Promise<void>((resolve) => open.push(resolve));
    return keys.sharedSecret(publicKey);
  });
  const shown: string[] = [];
  const { receiver, slot, counts } = await makeBench(identity, {
    onAccepted: (messages) => shown.push(...messages.map(({ data }) => bytesToHex(data))),
  });
  const payload = await sealedFor(keys.publicKeyHex, 9);
  const copies = [payload, payload, twinOf(payload)].map((copy) => receiver.receive(slot, copy));
  await vi.waitUntil(() => open.length > 0);
  await new Promise((resolve) => setImmediate(resolve));
  for (const go of open) go();
  await Promise.all(copies);
  expect(asked()).toBe(1);
  expect(counts).toMatchObject({ accepted: 1, duplicates: 2 });
  expect(shown).toHaveLength(1);
});
