import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Guard, type Incoming, type Topics } from "../src/brokers/guard.js";
import { CONNACK, PINGRESP, packet, publish, SUBACK } from "./hostile/attacks.js";
import { TOPIC } from "./support/links.js";

const topic = Buffer.from(TOPIC);
const MAX_PAYLOAD = 1000;

/** One topic. */
function topicsWith(maxPayload: number): Topics {
  return { longest: maxPayload, limitOf: (name) => (name === TOPIC ? maxPayload : undefined) };
}

/** One that has sent SUBSCRIBE. */
function makeGuard(maxPayload = MAX_PAYLOAD): Guard {
  const guard = new Guard(topicsWith(maxPayload));
  guard.push(CONNACK);
  expect(guard.next()).toEqual({ type: "connack", code: 0 });
  guard.expectSuback(1, 1);
  return guard;
}

/** Everything that can be read now, as text, and what it ended with. */
function readAll(guard: Guard): string[] {
  const read: string[] = [];
  try {
    for (;;) {
      const packet = guard.next();
      if (packet === undefined) return read;
      read.push(inShort(packet));
    }
  } catch (error) {
    return [...read, String(error)];
  }
}

function inShort(packet: Incoming): string {
  if (packet.type === "suback") return `suback ${packet.codes}`;
  if (packet.type !== "publish") return packet.type;
  const { payload, id } = packet;
  return `${id} ${payload === undefined ? "too long" : Buffer.from(payload).toString("latin1")}`;
}

/** What a broker may send, in an order in which it may. */
const STREAM: Buffer = Buffer.concat([
  publish(topic, Buffer.from("retained")),
  SUBACK,
  publish(topic, Buffer.alloc(0)),
  publish(topic, Buffer.alloc(MAX_PAYLOAD, "x"), 1, 65_535),
  publish(topic, Buffer.alloc(MAX_PAYLOAD + 1, "y"), 1, 1),
  publish(topic, Buffer.alloc(20_000, "z")),
  PINGRESP,
  publish(topic, Buffer.from("last")),
]);

const READ: readonly string[] = [
  "0 retained",
  "suback 1",
  "0 ",
  `65535 ${"x".repeat(MAX_PAYLOAD)}`,
  "1 too long",
  "0 too long",
  "pingresp",
  "0 last",
];

/** A stream that is cut in these places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...new Set(places.map((place) => place % bytes.length)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, i) => Buffer.from(bytes.subarray(at[i], end)));
}

describe("what a broker may send", () => {
  it.each(["pushed piece by piece, read after each", "pushed as a whole, in pieces"])(
    "is read however it is cut, %s",
    (way) => {
      fc.assert(
        fc.property(fc.array(fc.nat(STREAM.length), { maxLength: 50 }), (places) => {
          const guard = makeGuard();
          guard.expectPingresp();
          const read: string[] = [];
          for (const piece of cut(STREAM, places)) {
            guard.push(piece);
            if (way.endsWith("each")) read.push(...readAll(guard));
          }
          expect([...read, ...readAll(guard)]).toEqual(READ);
          expect(guard.waitingBytes).toBe(0);
        }),
      );
    },
  );

  it("is handed on without keeping a chunk of which it is a small part", () => {
    const guard = makeGuard(100_000);
    const payloads = (...sizes: readonly number[]): ArrayBufferLike[] => {
      guard.push(Buffer.from(Buffer.concat(sizes.map((size) => publish(topic, Buffer.alloc(size))))));
      return sizes.map(() => {
        const read = guard.next();
        return read?.type === "publish" && read.payload !== undefined
          ? read.payload.buffer
          : new ArrayBuffer(0);
      });
    };
    const [most, little] = payloads(60_000, 100);
    expect(most?.byteLength).toBeGreaterThan(60_000);
    expect(little?.byteLength).toBe(100);
  });
});

describe("what a broker may not send", () => {
  it.each([
    ["anything before CONNACK", () => new Guard(topicsWith(10)), PINGRESP, "what answered is not MQTT"],
    ["a second CONNACK", makeGuard, CONNACK, "a second CONNACK"],
    ["a SUBACK for another id", makeGuard, packet(0x90, Buffer.of(0, 2, 1)), "a SUBACK for no SUBSCRIBE"],
    ["a PINGRESP that nobody asked for", makeGuard, PINGRESP, "a PINGRESP for no PINGREQ"],
    ["a length of five bytes", makeGuard, Buffer.of(0x30, 255, 255, 255, 255), "a length of five bytes"],
    ["flags where there are none", makeGuard, Buffer.of(0x92), "SUBACK with flags"],
    ["a topic that is longer", makeGuard, publish(Buffer.from(`${TOPIC}0`), topic), "not subscribed"],
    ["a topic that begins alike", makeGuard, publish(topic.subarray(1), Buffer.alloc(99)), "not subscribed"],
    [
      "more than anybody takes",
      makeGuard,
      Buffer.of(0x30, 255, 255, 255, 127),
      "a PUBLISH of 268435455 bytes",
    ],
  ])("%s", (_, make, bytes, words) => {
    const guard = make();
    guard.push(bytes);
    expect(() => guard.next()).toThrow(words);
  });

  it("a PUBLISH before the subscription was asked for, or a second SUBACK", () => {
    const early = new Guard(topicsWith(10));
    early.push(CONNACK);
    early.next();
    early.push(publish(topic, topic));
    expect(() => early.next()).toThrow("before the subscription");
    const twice = makeGuard();
    twice.push(Buffer.concat([SUBACK, SUBACK]));
    expect(twice.next()).toEqual({ type: "suback", codes: [1] });
    expect(() => twice.next()).toThrow("a SUBACK for no SUBSCRIBE");
  });

  it("is told by its first byte, its length or its topic, before the rest has come", () => {
    for (const [bytes, words] of [
      [Buffer.of(0x34), "QoS 2"],
      [Buffer.of(0x36), "QoS 3"],
      [Buffer.of(0x62), "PUBREL"],
      [Buffer.of(0x20), "CONNACK"],
      [Buffer.of(0x90, 4), "SUBACK of 4 bytes"],
      [Buffer.of(0x30, 67), "not subscribed"],
      [publish(Buffer.alloc(66), Buffer.alloc(1)).subarray(0, 70), "not subscribed"],
      [publish(topic, Buffer.alloc(900), 1, 0).subarray(0, 73), "without an id"],
    ] as const) {
      const guard = makeGuard();
      guard.push(bytes);
      expect(() => guard.next(), words).toThrow(words);
    }
  });
});

describe("a session with many topics", () => {
  const names = Array.from({ length: 50 }, (_, i) => `02${i.toString(16).padStart(64, "0")}`);
  /** Each takes ten bytes more than the one before. */
  const topics: Topics = {
    longest: 490,
    limitOf: (name) => (names.includes(name) ? 10 * names.indexOf(name) : undefined),
  };

  function makeGuardOfMany(asked = names.length): Guard {
    const guard = new Guard(topics);
    guard.push(CONNACK);
    guard.next();
    guard.expectSuback(7, asked);
    return guard;
  }

  const suback = (id: number, codes: readonly number[]): Buffer => packet(0x90, Buffer.of(0, id, ...codes));

  it("gets the answers to all of them in one packet, however it is cut", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(255), { minLength: 1, maxLength: 64 }),
        fc.array(fc.nat(70)),
        (codes, places) => {
          const guard = makeGuardOfMany(codes.length);
          const read: Incoming[] = [];
          for (const piece of cut(suback(7, codes), places)) {
            guard.push(piece);
            const next = guard.next();
            if (next) read.push(next);
          }
          expect(read).toEqual([{ type: "suback", codes }]);
        },
      ),
    );
  });

  it("ends with as many answers as were not asked for, or to another packet", () => {
    const ends = (bytes: Buffer): string => {
      const guard = makeGuardOfMany(3);
      guard.push(bytes);
      return readAll(guard).at(-1) ?? "";
    };
    expect(ends(suback(7, [1, 1]))).toContain("SUBACK of 4 bytes in the place of 5");
    expect(ends(suback(7, [1, 1, 1, 1]))).toContain("SUBACK of 6 bytes in the place of 5");
    expect(ends(suback(8, [1, 1, 1]))).toContain("a SUBACK for no SUBSCRIBE");
    expect(ends(Buffer.concat([suback(7, [1, 1, 1]), suback(7, [1, 1, 1])]))).toContain("a SUBACK for no");
    expect(ends(packet(0xb0, Buffer.of(0, 7)))).toContain("an UNSUBACK for no UNSUBSCRIBE");
  });

  it("is told once that topics were left", () => {
    const guard = makeGuardOfMany(1);
    guard.push(suback(7, [1]));
    guard.next();
    guard.expectUnsuback(8);
    const unsuback = packet(0xb0, Buffer.of(0, 8));
    guard.push(Buffer.concat([unsuback, unsuback]));
    expect(guard.next()).toEqual({ type: "unsuback" });
    expect(() => guard.next()).toThrow("an UNSUBACK for no UNSUBSCRIBE");
  });

  it("hands each on to its topic, within its own limit, and knows every foreign one", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(500)), { maxLength: 20 }), (messages) => {
        const guard = makeGuardOfMany();
        const wanted: string[] = [];
        for (const [i, length] of messages) {
          const name = names[i] ?? `03${i.toString(16).padStart(64, "0")}`;
          guard.push(publish(Buffer.from(name), Buffer.alloc(length)));
          const next = (): string => {
            const read = guard.next();
            return read?.type === "publish" ? `${read.topic} ${read.payload?.length ?? "too long"}` : "";
          };
          if (i >= names.length) {
            expect(next).toThrow("on a topic that was not subscribed");
            return;
          }
          wanted.push(`${name} ${length > 10 * i ? "too long" : length}`);
          expect(next()).toBe(wanted.at(-1));
        }
      }),
    );
  });
});

describe("the work", () => {
  /** CPU time of reading a PUBLISH in pieces of so many bytes, ms. */
  function millisecondsFor(pieces: number, size: number): number {
    const guard = makeGuard(10 << 20);
    const bytes = publish(topic, Buffer.alloc(pieces * size));
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      Buffer.from(bytes.subarray(i * size, (i + 1) * size)),
    );
    const started = process.cpuUsage();
    let read = 0;
    for (const chunk of chunks) {
      guard.push(chunk);
      while (guard.next() !== undefined) read++;
    }
    const { user, system } = process.cpuUsage(started);
    expect(read).toBe(1);
    return (user + system) / 1000;
  }

  it("is linear in the pieces: a PUBLISH in 300 000 takes three times as long as one in 100 000", () => {
    millisecondsFor(100_000, 1);
    const [few, many] = [millisecondsFor(100_000, 1), millisecondsFor(300_000, 1)];
    // 5 s with what was quadratic. Twice as long as linear, and what garbage takes.
    expect(many).toBeLessThan(6 * few + 100);
    expect(many).toBeLessThan(1000);
  });

  it("is linear in the pieces that wait, too", () => {
    const guard = makeGuard(400_000);
    const bytes = publish(topic, Buffer.alloc(300_000));
    for (const byte of bytes) guard.push(Uint8Array.of(byte));
    expect(guard.waitingBytes).toBeGreaterThan(100 * bytes.length);
    const started = process.cpuUsage();
    expect(guard.next()).toMatchObject({ type: "publish" });
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1000).toBeLessThan(1000);
    expect(guard.waitingBytes).toBe(0);
  });

  it("needs memory for what has come, not for what was announced", () => {
    const before = process.memoryUsage().arrayBuffers;
    const guards = Array.from({ length: 100 }, () => {
      const guard = makeGuard(16 << 20);
      guard.push(publish(topic, Buffer.alloc(0)));
      guard.next();
      guard.push(
        Buffer.concat([Buffer.of(0x30, 0xff, 0xff, 0xff, 0x07), Buffer.of(0, 66), topic, Buffer.alloc(1)]),
      );
      expect(guard.next()).toBeUndefined();
      return guard;
    });
    expect(guards).toHaveLength(100);
    // 16 MiB are announced to each.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(100 * 200_000);
  });
});
