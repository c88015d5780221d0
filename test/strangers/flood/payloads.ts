import { randomBytes } from "node:crypto";
import { AppPacket, Keypair, MessageType } from "../../../src/index.js";

/**
 * What a flood is made of:
 * - `random`: bytes of no shape, up to 400 of them
 * - `bad-signatures`: packets in the right shape, each from a source of its own, half of them no key at all
 * - `mixed`: of 100 packets 10 with a valid signature, from 500 keys; 15 of those again; 20 with a bit
 *   flipped; 45 as `bad-signatures`; 10 as `random`
 * - `one-source`: messages with valid signatures of one key
 * - `spoofed`: packets in the right shape in the known peer's name
 * - `in-conversation`: the same under the queue id of a conversation that goes on, which all can read
 * - `probes`: probes with valid signatures, from 500 keys
 * - `sealed`: messages with valid signatures that look sealed and do not open, from 500 keys
 */
export type FloodKind =
  | "random"
  | "bad-signatures"
  | "mixed"
  | "one-source"
  | "spoofed"
  | "in-conversation"
  | "probes"
  | "sealed";

const KEYS = 500;

/** How many of 100 packets carry a valid signature of their own. */
const SIGNED: Readonly<Record<FloodKind, number>> = {
  random: 0,
  "bad-signatures": 0,
  mixed: 10,
  "one-source": 100,
  spoofed: 0,
  "in-conversation": 0,
  probes: 100,
  sealed: 100,
};

/** Everything is made before the clock starts: what is sent is bytes alone. */
export async function makePayloads(kind: FloodKind, count: number, name: string): Promise<Uint8Array[]> {
  const keys = Array.from({ length: kind === "one-source" ? 1 : KEYS }, () => Keypair.generate());
  const signed: Uint8Array[] = [];
  const wanted = Math.ceil((count * SIGNED[kind]) / 100);
  // Not all at once: each one that waits takes memory.
  while (signed.length < wanted) {
    const some = Math.min(256, wanted - signed.length);
    signed.push(
      ...(await Promise.all(Array.from({ length: some }, (_, i) => sign(kind, keys[i % keys.length])))),
    );
  }
  let used = 0;
  return Array.from({ length: count }, (_, i) => {
    if (kind === "random") return randomBytes(i % 400);
    if (kind === "bad-signatures") return shaped();
    if (kind === "spoofed" || kind === "in-conversation") return shaped(name);
    const roll = kind === "mixed" ? (i * 37) % 100 : 0;
    const earlier = signed[Math.max(0, used - 1 - (i % 20))] ?? shaped();
    if (roll < 10) return signed[used++] ?? shaped();
    if (roll < 25) return earlier;
    if (roll < 45) return flipped(earlier);
    return roll < 90 ? shaped() : randomBytes(i % 400);
  });
}

async function sign(kind: FloodKind, identity: Keypair | undefined): Promise<Uint8Array> {
  if (identity === undefined) throw new Error("no keys");
  const message = randomBytes(kind === "sealed" ? 309 : 40);
  if (kind === "sealed") message.set([0xff, 0x53, 0x57, 1, ...identity.publicKey]);
  return await AppPacket.pack(
    {
      queueId: randomBytes(32).toString("hex"),
      sequence: 0,
      timestamp: Math.floor(Date.now() / 1000),
      type: kind === "probes" ? MessageType.Probe : MessageType.Message,
      message,
    },
    identity,
  );
}

function flipped(payload: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(payload);
  copy[150] = (copy[150] ?? 0) ^ 1;
  return copy;
}

function shaped(name?: string): Uint8Array {
  const payload = randomBytes(180);
  payload[0] = 2 + ((payload[0] ?? 0) & 1);
  payload[141] = MessageType.Message;
  // A signature whose numbers are in range: nothing tells it from a true one but the check.
  payload[33] = payload[65] = 0x7f;
  if (name !== undefined) payload.set(Buffer.from(name, "hex"), 0);
  return payload;
}
