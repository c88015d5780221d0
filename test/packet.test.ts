import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Identity, Keypair } from "../src/wire/identity.js";
import { AppPacket, MessageType, PACKET_OVERHEAD, type PacketFields } from "../src/wire/packet.js";

const keys: Keypair = Keypair.generate();

const FIELDS: PacketFields = {
  queueId: "a5".repeat(32),
  sequence: 7,
  timestamp: 1_700_000_000,
  type: MessageType.Message,
  message: new TextEncoder().encode("hello"),
};

const anyFields: fc.Arbitrary<PacketFields> = fc.record({
  queueId: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex),
  sequence: fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff)),
  timestamp: fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER)),
  type: fc.constantFrom(MessageType.Message, MessageType.Ack, MessageType.Probe),
  message: fc.uint8Array({ maxLength: 2000 }),
});

describe("a packet", () => {
  it("comes out with the fields that went in, and its source", async () => {
    await fc.assert(
      fc.asyncProperty(anyFields, async (fields) => {
        const payload = await AppPacket.pack(fields, keys);
        expect({ ...(await AppPacket.unpack(payload)) }).toEqual({ ...fields, source: keys.publicKeyHex });
      }),
      { numRuns: 200 },
    );
  });

  it("has every field at its offset, big-endian", async () => {
    await fc.assert(
      fc.asyncProperty(anyFields, async (fields) => {
        const bytes = Buffer.from(await AppPacket.pack(fields, keys));
        expect(bytes.toString("hex", 0, 33)).toBe(keys.publicKeyHex);
        expect(bytes.toString("hex", 97, 129)).toBe(fields.queueId);
        expect(bytes.readUInt32BE(129)).toBe(fields.sequence);
        expect(bytes.readBigUInt64BE(133)).toBe(BigInt(fields.timestamp));
        expect(bytes[141]).toBe(fields.type);
        expect(bytes.subarray(142).equals(fields.message)).toBe(true);
      }),
    );
    expect(PACKET_OVERHEAD).toBe(142);
  });

  it("is read from the middle of a larger buffer", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    const larger = Buffer.alloc(payload.length + 20, 0xff);
    larger.set(payload, 13);
    const packet = await AppPacket.unpack(larger.subarray(13, 13 + payload.length));
    expect(packet).toMatchObject({ sequence: FIELDS.sequence, timestamp: FIELDS.timestamp });
    expect(bytesToHex(packet?.message ?? new Uint8Array())).toBe(bytesToHex(FIELDS.message));
  });

  it("has a message of its own, a plain array, whatever becomes of the bytes it was read from", async () => {
    const buffer = Buffer.from(await AppPacket.pack(FIELDS, keys));
    const message = AppPacket.parse(buffer)?.message;
    buffer.fill(0);
    expect(message).toEqual(FIELDS.message);
    expect(Object.getPrototypeOf(message)).toBe(Uint8Array.prototype);
    expect(message?.buffer.byteLength).toBe(FIELDS.message.length);
  });

  it("is null with any one bit flipped", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    const survivors: number[] = [];
    await Promise.all(
      Array.from({ length: payload.length * 8 }, async (_, bit) => {
        const flipped = payload.map((byte, at) => (at === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte));
        if ((await AppPacket.unpack(flipped)) !== null) survivors.push(bit);
      }),
    );
    expect(survivors).toEqual([]);
  });

  it("is null when it is cut short or made longer", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    for (let length = 0; length < payload.length; length++) {
      expect(await AppPacket.unpack(payload.subarray(0, length))).toBeNull();
    }
    expect(await AppPacket.unpack(Uint8Array.of(...payload, 0))).toBeNull();
  });

  it("is null under somebody else's key", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    payload.set(Keypair.generate().publicKey, 0);
    expect(AppPacket.parse(payload)).not.toBeNull();
    expect(await AppPacket.unpack(payload)).toBeNull();
  });

  it("takes its message at the moment of the call", async () => {
    const message = Uint8Array.of(1, 2, 3);
    const packing = AppPacket.pack({ ...FIELDS, message }, keys);
    message.fill(9);
    expect([...((await AppPacket.unpack(await packing))?.message ?? [])]).toEqual([1, 2, 3]);
  });

  it("takes a queue id of either case", async () => {
    const payload = await AppPacket.pack({ ...FIELDS, queueId: FIELDS.queueId.toUpperCase() }, keys);
    expect((await AppPacket.unpack(payload))?.queueId).toBe(FIELDS.queueId);
  });

  it("is signed by any identity, also one that answers later", async () => {
    const agent: Identity = {
      publicKey: keys.publicKey,
      sign: async (part) => Buffer.from(await keys.sign(part)),
    };
    expect((await AppPacket.unpack(await AppPacket.pack(FIELDS, agent)))?.source).toBe(keys.publicKeyHex);
  });
});

describe("reading", () => {
  it("throws for no bytes at all", async () => {
    const shaped = fc
      .tuple(
        fc.constantFrom(2, 3),
        fc.uint8Array({ minLength: 141, maxLength: 400 }),
        fc.constantFrom(1, 2, 3),
      )
      .map(([prefix, rest, type]) => {
        const bytes = Uint8Array.of(prefix, ...rest);
        bytes[141] = type;
        return bytes;
      });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 400 }), shaped), async (bytes) => {
        expect(() => AppPacket.parse(bytes)).not.toThrow();
        expect(await AppPacket.unpack(bytes)).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it.each([undefined, null, "02", 7, [2, 3], new ArrayBuffer(200)].map((value: unknown) => ({ value })))(
    "gives null for $value",
    async ({ value }) => {
      // A caller without types may pass anything.
      const unpack = AppPacket.unpack as (payload: unknown) => Promise<AppPacket | null>;
      expect(await unpack(value)).toBeNull();
    },
  );

  it("gives null for a key prefix or a type that does not exist, before any signature is looked at", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    const withByte = (at: number, value: number): Uint8Array =>
      payload.map((byte, i) => (i === at ? value : byte));
    for (const prefix of [0, 1, 4, 6, 7, 255]) expect(AppPacket.parse(withByte(0, prefix))).toBeNull();
    for (const type of [0, 4, 255]) expect(AppPacket.parse(withByte(141, type))).toBeNull();
  });

  it("takes a timestamp beyond what a number holds exactly", async () => {
    const payload = await AppPacket.pack(FIELDS, keys);
    payload.fill(0xff, 133, 141);
    expect(AppPacket.parse(payload)?.timestamp).toBe(2 ** 64);
  });
});

describe("packing", () => {
  // A caller without types may pass anything.
  const pack = AppPacket.pack as (fields: unknown, identity: unknown) => Promise<Uint8Array>;

  it.each([
    ["queueId", ""],
    ["queueId", "a".repeat(63)],
    ["queueId", "a".repeat(65)],
    ["queueId", "g".repeat(64)],
    ["queueId", `${"a".repeat(64)}\n`],
    ["queueId", undefined],
    ["queueId", new Uint8Array(32)],
    ["queueId", ["a".repeat(64)]],
    ["sequence", -1],
    ["sequence", 2 ** 32],
    ["sequence", 1.5],
    ["sequence", Number.NaN],
    ["sequence", "0"],
    ["sequence", undefined],
    ["timestamp", -1],
    ["timestamp", 1.5],
    ["timestamp", 2 ** 53],
    ["timestamp", Number.NaN],
    ["timestamp", Number.POSITIVE_INFINITY],
    ["timestamp", 1n],
    ["timestamp", undefined],
    ["type", 0],
    ["type", 4],
    ["type", "1"],
    ["type", undefined],
    ["message", "hello"],
    ["message", [1, 2]],
    ["message", new ArrayBuffer(3)],
    ["message", undefined],
  ])("refuses %s: %o", async (field, value) => {
    await expect(pack({ ...FIELDS, [field]: value }, keys)).rejects.toMatchObject({
      name: "InvalidInputError",
      code: "INVALID_PACKET",
      path: field,
    });
  });

  it.each([
    ["a public key of 32 bytes", { publicKey: new Uint8Array(32) }, "identity.publicKey"],
    ["an uncompressed public key", { publicKey: new Uint8Array(65) }, "identity.publicKey"],
    ["a signature of 63 bytes", { sign: () => new Uint8Array(63) }, "identity.sign"],
    ["a signature in DER", { sign: async () => new Uint8Array(71) }, "identity.sign"],
    ["a signature as text", { sign: () => "00".repeat(64) }, "identity.sign"],
    ["no signature", { sign: async () => undefined }, "identity.sign"],
  ])("refuses an identity with %s", async (_, part, path) => {
    const identity = { publicKey: keys.publicKey, sign: (bytes: Uint8Array) => keys.sign(bytes), ...part };
    await expect(pack(FIELDS, identity)).rejects.toMatchObject({
      name: "InvalidInputError",
      code: "INVALID_PACKET",
      path,
    });
  });

  it.each([
    ["nothing", undefined, "identity.publicKey"],
    ["null", null, "identity.publicKey"],
    ["no key", {}, "identity.publicKey"],
    ["no signer", { publicKey: keys.publicKey }, "identity.sign"],
  ])("refuses an identity that is or has %s", async (_, identity, path) => {
    // What a caller without types may pass.
    await expect(pack(FIELDS, identity as Identity)).rejects.toMatchObject({ code: "INVALID_PACKET", path });
  });

  it("asks for a signature over everything from the queue id on", async () => {
    let signed = "";
    const identity: Identity = {
      publicKey: keys.publicKey,
      sign: (part) => {
        signed = bytesToHex(part);
        return new Uint8Array(64);
      },
    };
    const payload = await AppPacket.pack(FIELDS, identity);
    expect(signed).toBe(bytesToHex(payload.subarray(97)));
    expect(hexToBytes(signed)).toHaveLength(45 + FIELDS.message.length);
  });
});
