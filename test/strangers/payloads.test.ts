import { bytesToHex } from "@noble/hashes/utils.js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DropReason } from "../../src/receiving/receiver.js";
import { Delivery } from "../../src/sending/delivery.js";
import { type Identity, Keypair } from "../../src/wire/identity.js";
import { seal } from "../../src/wire/seal.js";
import { makeConnections, makeLinks } from "../support/links.js";
import {
  type Bench,
  checksum,
  Dice,
  isChecksum,
  keyOf,
  layOut,
  makeBench,
  type RawFields,
  START,
  signCheaply,
  usedBytes,
} from "./receiving.js";

/** How many payloads go through; the seed, to see a run again. */
const PAYLOADS = Number(process.env.STRANGERS_PAYLOADS ?? 1_000_000);
const SEED = Number(process.env.STRANGERS_SEED ?? 20_011);

const MAX_MESSAGE = 1024;
const FRESH_MS = 120_000;

/** The monotonic clock, ms. */
let now = 0;

beforeEach(() => {
  now = 5000;
  vi.stubGlobal("performance", { now: () => now });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const keys = Keypair.fromSecretKey("7f".repeat(32));
const address = keys.publicKeyHex;

/** The receiver's identity: it signs and agrees on secrets in no time. */
function cheapIdentity(): Identity {
  const secrets = new Map<string, Uint8Array>();
  return {
    publicKey: keys.publicKey,
    sign: (part) => checksum(part, keys.publicKey),
    sharedSecret: (publicKey) => {
      const id = bytesToHex(publicKey);
      const secret = secrets.get(id) ?? keys.sharedSecret(publicKey);
      secrets.set(id, secret);
      return secret;
    },
  };
}

/** What a payload comes to. */
type Outcome = "message" | "duplicate" | "probe" | "ack" | "late-ack" | DropReason;

/** What the model cannot tell apart without the receiver's bounds. */
type Expected = Outcome | "seen-or-late";

/** What the receiver is to do, told without its code: a memory that forgets nothing and knows no bounds. */
class Model {
  readonly #bench: Bench;
  readonly #refused: ReadonlySet<string>;
  readonly #opens: (payload: Buffer) => boolean;
  /** The places of what was accepted, and until when their timestamps are fresh. */
  readonly #seen = new Map<string, number>();
  readonly #next = new Map<string, number>();
  readonly #held = new Map<string, Set<number>>();
  readonly settled = new Set<string>();

  constructor(bench: Bench, refused: ReadonlySet<string>, opens: (payload: Buffer) => boolean) {
    this.#bench = bench;
    this.#refused = refused;
    this.#opens = opens;
  }

  take(payload: Buffer): Expected {
    if (payload.length > LONGEST) return "too-large";
    if (payload.length < 142) return "malformed";
    const [prefix, type] = [payload[0], payload[141]];
    if ((prefix !== 2 && prefix !== 3) || type === undefined || type < 1 || type > 3) return "malformed";
    if (payload.length > 142 + MAX_MESSAGE && !looksSealed(payload)) return "too-large";
    const from = payload.toString("hex", 0, 33);
    const queue = payload.toString("hex", 97, 129);
    const sequence = payload.readUInt32BE(129);
    const place = `${from}${queue}${sequence}`;
    const valid = isChecksum(payload.subarray(33, 97), payload.subarray(97), payload.subarray(0, 33));

    if (type === 2) {
      if (this.settled.has(place)) return "late-ack";
      if (!this.#bench.outbox.has(place)) return "unexpected-ack";
      return valid ? "ack" : "bad-signature";
    }
    if (this.#refused.has(from)) return "not-accepted";
    if (!valid) return "bad-signature";
    return type === 3 ? "probe" : this.#message(payload, place, from + queue, sequence);
  }

  #message(payload: Buffer, place: string, queue: string, sequence: number): Expected {
    const sentAt = Number(payload.readBigUInt64BE(133)) * 1000;
    const age = this.#bench.wall - sentAt;
    if (age > FRESH_MS) return "too-old";
    if (-age > FRESH_MS) return "too-new";
    const freshUntil = this.#seen.get(place);
    // Signed once more with another time, after the first one was forgotten: not shown in any case.
    if (freshUntil !== undefined) return this.#bench.wall > freshUntil ? "seen-or-late" : "duplicate";
    if (sequence < (this.#next.get(queue) ?? 0)) return "out-of-order";
    if (looksSealed(payload) && !this.#opens(payload)) return "not-opened";
    this.#seen.set(place, sentAt + FRESH_MS);
    const held = this.#held.get(queue) ?? new Set();
    this.#held.set(queue, held.add(sequence));
    this.#run(queue, held);
    return "message";
  }

  /** Every gap is given up. */
  giveUpGaps(): void {
    for (const [queue, held] of this.#held) {
      if (held.size > 0) this.#next.set(queue, Math.max(...held) + 1);
      held.clear();
    }
    this.#held.clear();
  }

  #run(queue: string, held: Set<number>): void {
    let next = this.#next.get(queue) ?? 0;
    while (held.delete(next)) next++;
    this.#next.set(queue, next);
  }
}

function looksSealed(payload: Buffer): boolean {
  return payload.toString("hex", 142, 146) === "ff535701";
}

/** The longest payload that is looked at: the longest message, sealed; 1028 bytes are padded to 1088. */
const LONGEST = 142 + 37 + 1088 + 16;

/** Makes payloads: packets that strangers may have signed, and what becomes of them in their hands. */
class Workshop {
  readonly #dice: Dice;
  readonly #bench: Bench;
  readonly #sealed: readonly RawFields[];
  /** Packets that were well-formed, to be changed, joined and played again. */
  readonly #made: Buffer[] = [];
  readonly #sequences = new Map<number, number>();

  constructor(dice: Dice, bench: Bench, sealed: readonly RawFields[]) {
    this.#dice = dice;
    this.#bench = bench;
    this.#sealed = sealed;
  }

  make(): Buffer {
    const dice = this.#dice;
    const roll = dice.below(100);
    if (roll < 30 || this.#made.length < 50) return this.#keep(this.#packet());
    if (roll < 45) return Buffer.from(dice.pick(this.#made));
    if (roll < 60) return this.#flipped(dice.pick(this.#made));
    if (roll < 68) return this.#cut(dice.pick(this.#made));
    if (roll < 74) return this.#spliced(dice.pick(this.#made), dice.pick(this.#made));
    if (roll < 80) return this.#changed(dice.pick(this.#made), dice.below(2) === 0);
    if (roll < 82) return this.#sealedPacket();
    if (roll < 84) return this.#long();
    return this.#noise();
  }

  #keep(payload: Buffer): Buffer {
    if (this.#made.length < 4000) this.#made.push(payload);
    else this.#made[this.#dice.below(this.#made.length)] = payload;
    return payload;
  }

  /** A packet with a valid signature, of one of 200 sources and 3 queues each. */
  #packet(): Buffer {
    const dice = this.#dice;
    const source = dice.below(200);
    const number = source * 3 + dice.below(3);
    const next = this.#sequences.get(number) ?? 0;
    const sequence = dice.below(500) === 0 ? dice.below(2 ** 32) : Math.max(0, next + dice.below(4) - 1);
    if (sequence < next + 100) this.#sequences.set(number, Math.max(next, sequence + 1));
    // A queue whose end has come gets a successor.
    const epoch = this.#bench.wall > START ? Math.floor((this.#bench.wall - START) / 20_000) : 0;
    return signCheaply(
      layOut({
        source: keyOf(source),
        queueId: queueOf(number + 1000 * epoch),
        sequence,
        timestamp: this.#timestamp(),
        type: dice.pick([1, 1, 1, 1, 2, 3]),
        message: dice.bytes(dice.below(40)),
      }),
    );
  }

  #timestamp(): number {
    const now = Math.floor(this.#bench.wall / 1000);
    const roll = this.#dice.below(20);
    if (roll === 0) return this.#dice.pick([0, 2 ** 32, Number.MAX_SAFE_INTEGER, now - 121, now + 121]);
    if (roll < 4) return now + this.#dice.pick([-120, -119, -60, -31, 31, 119, 120]);
    return now;
  }

  #flipped(payload: Buffer): Buffer {
    const copy = Buffer.from(payload);
    for (let i = this.#dice.below(3); i >= 0; i--) {
      const at = this.#dice.below(copy.length);
      copy[at] = (copy[at] ?? 0) ^ (1 << this.#dice.below(8));
    }
    return copy;
  }

  #cut(payload: Buffer): Buffer {
    const end = this.#dice.below(payload.length + 1);
    return this.#dice.below(2) === 0
      ? Buffer.from(payload.subarray(0, end))
      : Buffer.concat([payload, this.#dice.bytes(this.#dice.below(20))]);
  }

  #spliced(a: Buffer, b: Buffer): Buffer {
    const at = this.#dice.pick([33, 97, 129, 133, 141, 142, this.#dice.below(a.length)]);
    return Buffer.concat([a.subarray(0, at), b.subarray(at)]);
  }

  /** Another type or time, signed anew or not. */
  #changed(payload: Buffer, signed: boolean): Buffer {
    const copy = Buffer.from(payload);
    if (this.#dice.below(2) === 0) copy[141] = this.#dice.below(5);
    else copy.writeBigUInt64BE(BigInt(this.#timestamp()), 133);
    return signed ? signCheaply(copy) : copy;
  }

  /** Sealed, in its own packet or in another. */
  #sealedPacket(): Buffer {
    const fields = this.#dice.pick(this.#sealed);
    const timestamp = this.#timestamp();
    const sequence = fields.sequence + (this.#dice.below(3) === 0 ? 1000 : 0);
    return signCheaply(layOut({ ...fields, timestamp, sequence }));
  }

  #long(): Buffer {
    const message = Buffer.alloc(this.#dice.pick([MAX_MESSAGE, MAX_MESSAGE + 1, LONGEST - 141, 4000]), 0x41);
    const fields = {
      source: keyOf(999),
      queueId: queueOf(this.#dice.below(1e6)),
      sequence: 0,
      type: 3,
      message,
    };
    return signCheaply(layOut({ ...fields, timestamp: this.#timestamp() }));
  }

  #noise(): Buffer {
    const noise = this.#dice.bytes(this.#dice.below(200));
    if (noise.length > 141 && this.#dice.below(2) === 0) {
      noise[0] = 2 + this.#dice.below(2);
      noise[141] = 1 + this.#dice.below(3);
    }
    return noise;
  }
}

function queueOf(number: number): Buffer {
  const queue = Buffer.alloc(32, 0xc3);
  queue.writeUInt32BE(number, 0);
  return queue;
}

/** Messages sealed for the receiver, each in its place. */
function sealedFields(): RawFields[] {
  return Array.from({ length: 60 }, (_, i) => {
    const [source, queueId] = [keyOf(i), queueOf(2_000_000 + i)];
    const message = seal(Uint8Array.of(i), {
      source: bytesToHex(source),
      destination: address,
      queueId: bytesToHex(queueId),
      sequence: 0,
    });
    return { source, queueId, sequence: 0, timestamp: 0, type: 1, message };
  });
}

const WAITING = { newestFirst: true, answerMs: 0, leavingMs: 0, widenAfterMs: 1e9, timeoutMs: 1e9 };

/** A message that waits for its ACK, in somebody's outbox. */
function waitingDelivery(): Delivery {
  const links = makeLinks(makeConnections());
  return new Delivery({
    links,
    to: address,
    payload: new Uint8Array(),
    route: [],
    fanOut: 1,
    arrivingMs: 0,
    onLeaving: () => {},
  });
}

describe(`${PAYLOADS} random and mutated payloads`, () => {
  it("come each to what a simple model says, nothing throws, nothing grows without bound", {
    timeout: 300_000,
  }, async () => {
    const dice = new Dice(SEED);
    const refused = new Set([190, 191, 192, 193].map((number) => bytesToHex(keyOf(number))));
    const shown = new Set<string>();
    const lastShown = new Map<string, number>();
    const faults: string[] = [];
    const bench = await makeBench(cheapIdentity(), {
      maxMessageBytes: MAX_MESSAGE,
      verify: isChecksum,
      accept: (from) => !refused.has(from),
      onAccepted: (messages) => {
        for (const { packet } of messages) {
          const queue = packet.source + packet.queueId;
          const place = `${queue}${packet.sequence}`;
          if (shown.has(place)) faults.push(`shown twice: ${place}`);
          if ((lastShown.get(queue) ?? -1) >= packet.sequence) faults.push(`out of order: ${place}`);
          shown.add(place);
          lastShown.set(queue, packet.sequence);
        }
      },
    });
    const sealed = sealedFields();
    const workshop = new Workshop(dice, bench, sealed);
    const opens = (payload: Buffer): boolean =>
      sealed.some(
        ({ source, queueId, sequence, message }) =>
          payload.subarray(0, 33).equals(source) &&
          payload.subarray(97, 129).equals(queueId) &&
          payload.readUInt32BE(129) === sequence &&
          payload.subarray(142).equals(message),
      );
    const model = new Model(bench, refused, opens);

    // Some messages of one's own are on their way, so that some ACKs fit.
    const acknowledged = new Set<Delivery>();
    const expect_ = (number: number): void => {
      const place = { to: bytesToHex(keyOf(number)), queueId: bytesToHex(queueOf(number * 3)), sequence: 0 };
      const delivery = waitingDelivery();
      const original = delivery.acknowledge.bind(delivery);
      delivery.acknowledge = (ack) => {
        acknowledged.add(delivery);
        original(ack);
      };
      bench.outbox.add(delivery, { ...place, ...WAITING }, now);
    };
    for (let number = 0; number < 100; number++) expect_(number);

    const outcomes: Partial<Record<Outcome, number>> = {};
    let answers = 0;
    let before = 0;
    const started = process.cpuUsage();
    for (let i = 0; i < PAYLOADS; i++) {
      const payload = workshop.make();
      const expected = model.take(payload);
      bench.lastDrop = undefined;
      await bench.receiver.receive(bench.slot, payload);
      const outcome =
        expected !== "seen-or-late" ? expected : bench.lastDrop === undefined ? "duplicate" : "out-of-order";
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome === "message" || outcome === "duplicate" || outcome === "probe") answers++;
      const dropped = TAKEN.has(outcome) ? undefined : outcome;
      if (bench.lastDrop !== dropped && faults.length < 10) {
        faults.push(
          `payload ${i}: ${bench.lastDrop} instead of ${outcome}, ${payload.toString("hex", 0, 200)}`,
        );
      }
      if (outcome === "ack" && dice.below(2) === 0) {
        const key = `${payload.toString("hex", 0, 33)}${payload.toString("hex", 97, 129)}${payload.readUInt32BE(129)}`;
        bench.outbox.take(key);
        model.settled.add(key);
      }
      // 5 000 payloads a second.
      now += 0.2;
      bench.wall += 0.2;
      if (i % 500 === 499) {
        bench.receiver.expire(Number.MAX_SAFE_INTEGER);
        model.giveUpGaps();
      }
      if (i === Math.floor(PAYLOADS / 2)) before = await usedBytes();
    }
    const { user, system } = process.cpuUsage(started);
    const seconds = (user + system) / 1e6;
    const after = await usedBytes();
    await bench.receiver.end();

    expect(faults).toEqual([]);
    const { accepted, duplicates, published, dropped } = bench.counts;
    expect(accepted).toBe(outcomes.message ?? 0);
    expect(duplicates).toBe(outcomes.duplicate ?? 0);
    expect(published).toBe(answers);
    expect(acknowledged.size).toBeGreaterThan(0);
    const { message, duplicate, probe, ack, "late-ack": late, ...drops } = outcomes;
    expect(dropped).toEqual(drops);
    const sum = Object.values(outcomes).reduce((total, count) => total + count, 0);
    expect(sum).toBe(PAYLOADS);
    // Every kind of end has been seen.
    for (const kind of KINDS) expect(outcomes[kind], kind).toBeGreaterThan(0);
    console.log(
      `${PAYLOADS} payloads in ${seconds.toFixed(1)} s of the processor, ${((after - before) / 1e6).toFixed(1)} MB more after the second half;`,
      outcomes,
    );
    // The model, which forgets nothing, grows too: some 200 bytes for each message of the second half.
    expect(after - before).toBeLessThan(30e6 + (accepted / 2) * 600);
  });
});

/** What is not dropped. */
const TAKEN: ReadonlySet<Outcome> = new Set(["message", "duplicate", "probe", "ack", "late-ack"]);

const KINDS: readonly Outcome[] = [
  "message",
  "duplicate",
  "probe",
  "ack",
  "late-ack",
  "too-large",
  "malformed",
  "not-accepted",
  "unexpected-ack",
  "bad-signature",
  "too-old",
  "too-new",
  "not-opened",
  "out-of-order",
];
