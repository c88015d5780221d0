import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InvalidInputError, type SidewireErrorCode } from "../../src/base/errors.js";
import { brokerOfHint, hintOfBroker, MAX_HINTS, parseHints } from "../../src/brokers/hints.js";
import { brokersOf, parseBrokerPool, portOf } from "../../src/wire/broker-pool.js";
import { Keypair, parseAddress } from "../../src/wire/identity.js";
import { AppPacket, MessageType, PACKET_OVERHEAD } from "../../src/wire/packet.js";
import { rankBrokers } from "../../src/wire/ranking.js";
import { isSealed, open, seal, sealedLength } from "../../src/wire/seal.js";

const keys: Keypair = Keypair.generate();

/** Whatever a caller without types, a file or a stranger may hand over. */
const anything: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withObjectString: true,
    withSet: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.jsonValue(),
  fc.constantFrom(Symbol("x"), () => 1, Number.NaN, -0, new Proxy({}, {})),
);

/** An array with holes in it is left to its own test. */
function isDense(value: unknown): boolean {
  return !Array.isArray(value) || Object.keys(value).length >= value.length;
}

/** Text that stands for something else in some parser. */
const anyName = fc.oneof(
  fc.domain(),
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.constantFrom(
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "",
    "a\0b",
    "a\r\nb",
    "a".repeat(300),
  ),
);

/** What nearly is a value of the given shape: some of its fields are anything. */
function nearly(
  shape: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.fromEntries(
    Object.entries(shape).map(([name, value]) => [
      name,
      fc.oneof({ weight: 6, arbitrary: value }, { weight: 1, arbitrary: anything }),
    ]),
  );
  return fc.record(fields, { requiredKeys: [], noNullPrototype: false });
}

/** What it comes to: a value, or the documented error. */
function outcomeOf<T>(code: SidewireErrorCode, decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    expect(error.code).toBe(code);
    expect(error.path).not.toBe("");
    return undefined;
  }
}

describe("a broker pool", () => {
  const anyPort = fc.integer({ min: 1, max: 65_535 });
  const anyEntry = nearly({
    port: anyPort,
    tls: anyPort,
    ws: anyPort,
    wss: anyPort,
    path: anyName.map((name) => `/${name}`),
    weight: fc.double({ min: 1e-300, max: 1e300, noNaN: true }),
    username: fc.string(),
    password: fc.string(),
    rate: nearly({ perSecond: fc.integer({ min: 1 }), burst: fc.integer({ min: 1 }) }),
  });
  const anyPool = nearly({
    updated: fc.string(),
    IPv4: fc.dictionary(anyName, anyEntry, { maxKeys: 4 }),
    IPv6: fc.dictionary(anyName, anyEntry, { maxKeys: 4 }),
  });

  it("is read, or refused with INVALID_POOL, whatever it is", () => {
    fc.assert(
      fc.property(fc.oneof(anyPool, anything), (pool) => {
        const parsed = outcomeOf("INVALID_POOL", () => parseBrokerPool(pool));
        if (parsed === undefined) return;
        expect(parseBrokerPool(parsed)).toEqual(parsed);
        const ranking = rankBrokers(keys.publicKeyHex, parsed);
        for (const family of ["IPv4", "IPv6"] as const) {
          for (const broker of brokersOf(parsed, family)) {
            for (const transport of ["mqtt", "mqtts", "ws", "wss"] as const) {
              const port = portOf(broker, transport);
              if (port !== undefined) expect(port >= 1 && port <= 65_535).toBe(true);
            }
            expect(broker.weight).toBeGreaterThan(0);
          }
          expect(ranking[family]).toHaveLength(brokersOf(parsed, family).length);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("is read from text, or refused with INVALID_POOL, whatever the text is", () => {
    const anyText = fc.oneof(
      anyPool.map(
        (pool) => JSON.stringify(pool, (_, value) => (typeof value === "bigint" ? 1 : value)) ?? "",
      ),
      fc.json(),
      fc.string(),
      fc.constantFrom("[".repeat(5000), '{"IPv4":{"__proto__":{"port":1}}}', "null", "\ufeff{}"),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        outcomeOf("INVALID_POOL", () => parseBrokerPool(text));
      }),
      { numRuns: 1000 },
    );
  });

  it("cannot change what every object inherits", () => {
    const parsed = parseBrokerPool('{"IPv4":{"__proto__":{"port":1883},"constructor":{"port":1}}}');
    expect(brokersOf(parsed, "IPv4").map(({ host }) => host)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf(parsed.IPv4)).toBe(Object.prototype);
    expect(({} as { port?: unknown }).port).toBeUndefined();
  });
});

describe("hints", () => {
  const anyHint = nearly({
    af: fc.constantFrom(2, 10),
    host: anyName,
    port: fc.integer({ min: 0, max: 65_536 }),
    password: fc.string(),
  });
  const pool = parseBrokerPool({ IPv4: { "a.example": { port: 1883, username: "u", password: "p" } } });

  it("are read, or refused with INVALID_HINT, whatever they are; what is read can be used", () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(anyHint, { maxLength: 10 }), anything.filter(isDense)), (hints) => {
        const parsed = outcomeOf("INVALID_HINT", () => parseHints(hints));
        if (parsed === undefined) return;
        const { usable } = parsed;
        expect(usable.length).toBeLessThanOrEqual(MAX_HINTS);
        expect(parseHints(usable)).toEqual({ usable, skipped: 0 });
        for (const hint of usable) {
          expect(Object.keys(hint).toSorted()).toEqual(["af", "host", "port"]);
          const broker = brokerOfHint(hint, pool, false);
          if (broker !== undefined) expect(hintOfBroker(broker).host).toBe(hint.host);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an address", () => {
  const nearlyHex = fc
    .tuple(fc.constantFrom("02", "03", "04", "00"), fc.string({ minLength: 60, maxLength: 68 }))
    .map(([prefix, rest]) => prefix + rest);
  const hex = fc
    .uint8Array({ minLength: 33, maxLength: 33 })
    .map((bytes) => Buffer.from(bytes).toString("hex"));

  // A caller without types may pass anything.
  const parse = parseAddress as (address: unknown) => string;

  it("is read, or refused with INVALID_ADDRESS, whatever it is; what is read is its own spelling", () => {
    fc.assert(
      fc.property(fc.oneof(anything, nearlyHex, hex, anyName), (address) => {
        const parsed = outcomeOf("INVALID_ADDRESS", () => parse(address));
        if (parsed === undefined) return;
        expect(parsed).toMatch(/^0[23][0-9a-f]{64}$/);
        expect(parseAddress(parsed)).toBe(parsed);
        expect(parsed).toBe(String(address).toLowerCase());
      }),
      { numRuns: 2000 },
    );
  });

  it("is on the curve for about half of all x, and is never another point", () => {
    let taken = 0;
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.constantFrom("02", "03"),
        (x, prefix) => {
          const address = `${prefix}${Buffer.from(x).toString("hex")}`;
          if (outcomeOf("INVALID_ADDRESS", () => parseAddress(address)) === address) taken++;
        },
      ),
      { numRuns: 400 },
    );
    expect(taken).toBeGreaterThan(100);
    expect(taken).toBeLessThan(300);
  });
});

describe("a secret key", () => {
  it("is taken, or refused with INVALID_KEY and not shown, whatever it is", () => {
    const bytes = fc.uint8Array({ minLength: 30, maxLength: 34 });
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          bytes,
          fc.string(),
          bytes.map((raw) => Buffer.from(raw).toString("hex")),
        ),
        (secret) => {
          // A caller without types may pass anything.
          const fromSecretKey = Keypair.fromSecretKey as (secret: unknown) => Keypair;
          const pair = outcomeOf("INVALID_KEY", () => fromSecretKey(secret));
          if (pair !== undefined) expect(parseAddress(pair.publicKeyHex)).toBe(pair.publicKeyHex);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a packet", () => {
  it("is null or what it says, whatever it is", async () => {
    // A caller without types may pass anything.
    const [parse, unpack] = [AppPacket.parse, AppPacket.unpack] as [
      (payload: unknown) => AppPacket | null,
      (payload: unknown) => Promise<AppPacket | null>,
    ];
    await fc.assert(
      fc.asyncProperty(anything, async (payload) => {
        const packet = parse(payload);
        if (!(payload instanceof Uint8Array) || payload.length < PACKET_OVERHEAD) expect(packet).toBeNull();
        expect(await unpack(payload)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it("says nothing that its bytes do not: every byte is in one field and comes out of it", () => {
    const shaped = fc
      .tuple(
        fc.uint8Array({ minLength: PACKET_OVERHEAD, maxLength: 300 }),
        fc.constantFrom(2, 3),
        fc.constantFrom(1, 2, 3),
      )
      .map(([bytes, prefix, type]) => {
        bytes[0] = prefix;
        bytes[PACKET_OVERHEAD - 1] = type;
        return bytes;
      });
    fc.assert(
      fc.property(shaped, (bytes) => {
        const packet = AppPacket.parse(bytes);
        if (packet === null) throw new Error("not read");
        const place = Buffer.alloc(12);
        place.writeUInt32BE(packet.sequence, 0);
        const raw = Buffer.from(bytes);
        expect(packet.timestamp).toBe(Number(raw.readBigUInt64BE(133)));
        raw.copy(place, 4, 133, 141);
        const again = Buffer.concat([
          Buffer.from(packet.source, "hex"),
          raw.subarray(33, 97),
          Buffer.from(packet.queueId, "hex"),
          place,
          Buffer.of(packet.type),
          packet.message,
        ]);
        expect(again.equals(raw)).toBe(true);
        // What it says is its own: the bytes that came in may be used again.
        const first = packet.message[0];
        bytes.fill(0xee);
        expect(packet.message[0]).toBe(first);
      }),
    );
  });
});

describe("a sealed message", () => {
  const context = {
    source: Keypair.generate().publicKeyHex,
    destination: keys.publicKeyHex,
    queueId: "5a".repeat(32),
    sequence: 1,
  };
  const sealed = seal(Uint8Array.of(1, 2, 3), context);

  it("is undefined when anything of it is changed, cut, joined or repeated", async () => {
    const anyChange = fc.oneof(
      fc
        .tuple(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }))
        .map(([at, mask]) => sealed.map((byte, i) => (i === at ? byte ^ mask : byte))),
      fc.nat(sealed.length - 1).map((end) => sealed.subarray(0, end)),
      fc.integer({ min: 1, max: sealed.length }).map((start) => sealed.subarray(start)),
      fc.uint8Array({ minLength: 1, maxLength: 50 }).map((more) => Uint8Array.from([...sealed, ...more])),
      fc.constant(Uint8Array.from([...sealed, ...sealed])),
      fc
        .uint8Array({ minLength: 256, maxLength: 400 })
        .map((text) => Uint8Array.from([...sealed.subarray(0, 37), ...text])),
    );
    await fc.assert(
      fc.asyncProperty(anyChange, async (bytes) => {
        expect(await open(bytes, context, keys)).toBeUndefined();
        if (isSealed(bytes)) expect([...bytes.subarray(0, 4)]).toEqual([0xff, 0x53, 0x57, 1]);
      }),
      { numRuns: 150 },
    );
    expect([...((await open(sealed, context, keys)) ?? [])]).toEqual([1, 2, 3]);
  });

  it("always is as long as it is said to be", () => {
    fc.assert(
      fc.property(fc.nat(5000), (length) => {
        expect(seal(new Uint8Array(length), context)).toHaveLength(sealedLength(length));
      }),
      { numRuns: 30 },
    );
  });
});

it("has a name for each type of packet and no more", () => {
  expect(Object.values(MessageType)).toEqual([1, 2, 3]);
});
