import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { bytesToHex } from "@noble/hashes/utils.js";
import type { LinkSlot } from "../../src/brokers/link-slot.js";
import { parseRouterOptions, type RouterOptions } from "../../src/options.js";
import { type Accepted, type DropReason, Receiver } from "../../src/receiving/receiver.js";
import type { Delivery } from "../../src/sending/delivery.js";
import { Outbox } from "../../src/sending/outbox.js";
import type { Broker } from "../../src/wire/broker-pool.js";
import type { Identity } from "../../src/wire/identity.js";
import { makeConnections, makeLinks, openMadeUp } from "../support/links.js";

/** A receiver by itself: no socket, and everything that it says is counted. */
export interface Bench {
  readonly receiver: Receiver;
  /** The only broker, connected. */
  readonly slot: LinkSlot;
  readonly outbox: Outbox<Delivery>;
  /** What became of what came in. */
  readonly counts: {
    accepted: number;
    duplicates: number;
    /** ACKs that were published. */
    published: number;
    skews: number;
    readonly dropped: Partial<Record<DropReason, number>>;
  };
  /** The wall clock, ms. */
  wall: number;
  /** When the receiver wants to be called because of gaps. */
  nextAt: number;
  /** Why the last packet was dropped, if it was. */
  lastDrop: DropReason | undefined;
}

export interface BenchOptions extends Partial<RouterOptions> {
  readonly isKnown?: (address: string) => boolean;
  readonly hasRoom?: () => boolean;
  readonly onAccepted?: (messages: readonly Accepted[]) => void;
  readonly onFailed?: (name: string, error: unknown) => void;
  /** Instead of a clock that shows `wall`. */
  readonly wallNow?: () => number;
  /** Told of each ACK that is published. */
  readonly onPublish?: (topic: string, payload: Uint8Array) => void;
  readonly broker?: Partial<Broker>;
}

/** 2001-09-09: any time will do. */
export const START: number = 1_000_000_000_000;

export async function makeBench(identity: Identity, options: BenchOptions = {}): Promise<Bench> {
  const {
    isKnown = () => false,
    hasRoom = () => true,
    onAccepted,
    onFailed = () => {},
    wallNow = () => bench.wall,
    onPublish,
    broker,
    ...routerOptions
  } = options;
  const counts: Bench["counts"] = { accepted: 0, duplicates: 0, published: 0, skews: 0, dropped: {} };
  const connections = makeConnections({
    openLink: async ({ subscribers }) =>
      openMadeUp(subscribers(), {
        publish: (topic, payload) => {
          counts.published++;
          onPublish?.(topic, payload);
          return true;
        },
      }),
  });
  const links = makeLinks(connections, { topic: bytesToHex(identity.publicKey) });
  const slot = links.dial({ family: "IPv4", host: "192.0.2.1", port: 1883, weight: 1, ...broker });
  const outbox = new Outbox<Delivery>();
  // Microtasks: the link that is open before it is asked for.
  while (slot.state !== "open") await Promise.resolve();
  const bench: Bench = {
    receiver: new Receiver({
      address: bytesToHex(identity.publicKey),
      identity,
      settings: parseRouterOptions({ getTime: () => bench.wall, ...routerOptions }),
      links,
      outbox,
      wallNow,
      isKnown,
      hasRoom,
      onAccepted: (messages) => {
        counts.accepted += messages.length;
        onAccepted?.(messages);
      },
      onDropped: ({ reason }) => {
        counts.dropped[reason] = (counts.dropped[reason] ?? 0) + 1;
        bench.lastDrop = reason;
      },
      onDuplicate: () => void counts.duplicates++,
      onSkew: () => void counts.skews++,
      onFailed,
      schedule: (at) => {
        bench.nextAt = Math.min(bench.nextAt, at);
      },
    }),
    slot,
    outbox,
    counts,
    wall: START,
    nextAt: Number.POSITIVE_INFINITY,
    lastDrop: undefined,
  };
  return bench;
}

/** What a packet is made of, without the care that `AppPacket.pack` takes. */
export interface RawFields {
  readonly source: Uint8Array;
  readonly queueId: Uint8Array;
  readonly sequence: number;
  readonly timestamp: number;
  readonly type: number;
  readonly message: Uint8Array;
}

/** A packet with a signature of zeros. */
export function layOut({ source, queueId, sequence, timestamp, type, message }: RawFields): Buffer {
  const payload = Buffer.alloc(142 + message.length);
  payload.set(source, 0);
  payload.set(queueId, 97);
  payload.writeUInt32BE(sequence, 129);
  payload.writeBigUInt64BE(BigInt(timestamp), 133);
  payload[141] = type;
  payload.set(message, 142);
  return payload;
}

/**
 * Signatures that cost next to nothing: a checksum of the key and the part. Anybody could forge them,
 * nobody does so by chance.
 */
export function checksum(part: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const signature = Buffer.allocUnsafe(64);
  const [a, b] = mix(part, mix(publicKey, [0x811c9dc5, 0x01000193]));
  for (let at = 0; at < 64; at += 8) {
    signature.writeInt32BE((a + at) | 0, at);
    signature.writeInt32BE((b ^ at) | 0, at + 4);
  }
  return signature;
}

function mix(bytes: Uint8Array, [a, b]: readonly [number, number]): [number, number] {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x5bd1e995) ^ (b >>> 15);
  }
  return [a, b];
}

export function isChecksum(signature: Uint8Array, part: Uint8Array, publicKey: Uint8Array): boolean {
  return Buffer.compare(checksum(part, publicKey), signature) === 0;
}

/** Signs a packet with its checksum. */
export function signCheaply(payload: Buffer): Buffer {
  payload.set(checksum(payload.subarray(97), payload.subarray(0, 33)), 33);
  return payload;
}

/** A stranger's name: 33 bytes that tell the numbers apart. */
export function keyOf(number: number): Uint8Array {
  const key = Buffer.alloc(33, 0x5a);
  key[0] = 2 + (number & 1);
  key.writeUInt32BE(number, 29);
  return key;
}

/** Numbers that look random and are the same in every run (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** From 0 up to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 up to below `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new Error("nothing to pick from");
    return value;
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = i % 4 === 0 ? this.below(256) : (bytes[i - 1] ?? 0) * 5 + i;
    return bytes;
  }
}

let collect: (() => void) | undefined;

/** Bytes in use once everything that is garbage is gone: the heap, and buffers outside of it. */
export async function usedBytes(): Promise<number> {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    // With the flag set, a new context has the function.
    collect = runInNewContext("gc") as () => void;
  }
  for (let i = 0; i < 3; i++) {
    collect();
    // Buffers are let go in a task of their own.
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
