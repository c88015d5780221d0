import { createHmac, createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, unmapped } from "../../src/ip/address.js";
import { type Endpoint, endpointOf } from "../../src/ip/endpoint.js";
import {
  type Attribute,
  addressValue,
  StunAttribute,
  StunMessage,
  StunType,
  writeStun,
  xorMappedAddress,
} from "../../src/probe/stun-message.js";
import { perPacketMicroseconds } from "../support/timing.js";

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ""), "hex"));

/** RFC 5769, section 2.2. */
const IPV4_RESPONSE: Uint8Array = hex(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96`);

/** RFC 5769, section 2.3. */
const IPV6_RESPONSE: Uint8Array = hex(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220
  00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c`);

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

const endpoints: fc.Arbitrary<Endpoint> = fc
  .tuple(fc.oneof(bytesOf(4), bytesOf(16)), fc.integer({ min: 1, max: 65_535 }))
  .map(([address, port]) => endpointOf(unmapped(address), port))
  .filter((endpoint) => endpoint !== undefined);

/** Such as stand before an integrity: any but that. */
const attributes: fc.Arbitrary<Attribute[]> = fc.array(
  fc.tuple(fc.integer({ min: 0x8000, max: 0xffff }), fc.uint8Array({ maxLength: 40 })),
  { maxLength: 8 },
);

/** A second reader, by the text of RFC 8489, which copies all that it finds. */
function readAgain(bytes: Uint8Array): Attribute[] | undefined {
  const data = Buffer.from(bytes);
  if (data.length < 20 || data.toString("hex", 4, 8) !== "2112a442") return undefined;
  if (data.readUInt8(0) >> 6 !== 0 || data.readUInt16BE(2) !== data.length - 20) return undefined;
  if (data.length % 4 !== 0) return undefined;
  const found: Attribute[] = [];
  let rest = data.subarray(20);
  while (rest.length > 0) {
    const length = rest.readUInt16BE(2);
    const whole = 4 + length + ((4 - (length % 4)) % 4);
    if (whole > rest.length) return undefined;
    found.push([rest.readUInt16BE(0), new Uint8Array(rest.subarray(4, 4 + length))]);
    rest = rest.subarray(whole);
  }
  return found;
}

/** A second signer: the message up to the integrity, with a length that includes it. */
function signAgain(key: Uint8Array, bytes: Uint8Array): Buffer {
  const text = Buffer.from(bytes);
  text.writeUInt16BE(text.length - 20 + 36, 2);
  return createHmac("sha256", key).update(text).digest();
}

describe("a STUN message", () => {
  it.each([
    [IPV4_RESPONSE, "192.0.2.1", 4],
    [IPV6_RESPONSE, "2001:db8:1234:5678:11:2233:4455:6677", 6],
  ] as const)("reads the address of RFC 5769's response (%#)", (bytes, address, family) => {
    const message = StunMessage.read(bytes);
    expect(message?.type).toBe(StunType.BindingSuccess);
    expect(message?.mappedAddress).toEqual({ address, family, port: 32_853 });
    expect(Buffer.from(message?.attribute(0x8022) ?? []).toString()).toBe("test vector");
  });

  it("writes the same XOR-MAPPED-ADDRESS as RFC 5769 has", () => {
    for (const bytes of [IPV4_RESPONSE, IPV6_RESPONSE]) {
      const message = StunMessage.read(bytes);
      const seen = message?.mappedAddress;
      if (message === undefined || seen === undefined) throw new Error("unread");
      const [type, value] = xorMappedAddress(seen, message.transaction);
      expect(value).toEqual(message.attribute(type));
    }
  });

  it("reads what it wrote, as a second reader does", () => {
    fc.assert(
      fc.property(bytesOf(12), attributes, endpoints, (transaction, some, seen) => {
        const bytes = writeStun(StunType.BindingSuccess, transaction, [
          ...some,
          xorMappedAddress(seen, transaction),
        ]);
        const message = StunMessage.read(bytes);
        expect(message?.transaction).toEqual(transaction);
        expect(message?.mappedAddress).toEqual(seen);
        // As sockets hand it over; and looking at it changes nothing.
        const buffer = Buffer.from(bytes);
        expect(StunMessage.read(buffer)?.mappedAddress).toEqual(seen);
        expect(new Uint8Array(buffer)).toEqual(bytes);
        expect(readAgain(bytes)?.slice(0, -1)).toEqual(some);
        for (const [type, value] of new Map([...some].reverse()))
          expect(message?.attribute(type)).toEqual(value);
      }),
    );
  });

  it("reads MAPPED-ADDRESS of old servers; an IPv4 address written as IPv6 is IPv4", () => {
    const transaction = new Uint8Array(12);
    const value = new Uint8Array(20);
    value.set([0, 2, 0x12, 0x34, ...new Uint8Array(10), 0xff, 0xff, 192, 0, 2, 1]);
    const bytes = writeStun(StunType.BindingSuccess, transaction, [[StunAttribute.MappedAddress, value]]);
    const seen = { address: "192.0.2.1", family: 4, port: 0x1234 } as const;
    expect(StunMessage.read(bytes)?.mappedAddress).toEqual(seen);
    expect(addressValue(seen)).toEqual(Uint8Array.of(0, 1, 0x12, 0x34, 192, 0, 2, 1));
  });

  it("reads error codes of RFC 8489 alone", () => {
    const codeOf = (...value: number[]): number | undefined =>
      StunMessage.read(
        writeStun(StunType.BindingError, new Uint8Array(12), [
          [StunAttribute.ErrorCode, Uint8Array.from(value)],
        ]),
      )?.errorCode;
    expect(codeOf(0, 0, 4, 20, 0x55)).toBe(420);
    expect(codeOf(0, 0, 2, 99)).toBeUndefined();
    expect(codeOf(0, 0, 7, 0)).toBeUndefined();
    expect(codeOf(0, 0, 4, 100)).toBeUndefined();
    expect(codeOf(0, 0, 4)).toBeUndefined();
  });

  it("is signed as a second signer signs it, and each bit of it counts", () => {
    fc.assert(
      fc.property(bytesOf(32), bytesOf(12), attributes, fc.nat(), (secret, transaction, some, at) => {
        const key = createSecretKey(secret);
        const bytes = writeStun(StunType.BindingRequest, transaction, some, key);
        const integrity = signAgain(secret, writeStun(StunType.BindingRequest, transaction, some));
        expect(Buffer.from(bytes.subarray(-32))).toEqual(integrity);
        expect(StunMessage.read(bytes)?.isSignedBy(key)).toBe(true);
        const other = Uint8Array.from(bytes);
        const bit = at % (8 * bytes.length);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(StunMessage.read(other)?.isSignedBy(key) ?? false).toBe(false);
      }),
    );
  });

  it("is signed without what stands behind the integrity, and does not show it", () => {
    const secret = new Uint8Array(32).fill(7);
    const key = createSecretKey(secret);
    const signed = writeStun(StunType.BindingRequest, new Uint8Array(12), [[0x8022, hex("41")]], key);
    const bytes = new Uint8Array(signed.length + 8);
    bytes.set(signed);
    bytes.set(hex("80280004 01020304"), signed.length);
    new DataView(bytes.buffer).setUint16(2, bytes.length - 20);
    const buffer = Buffer.from(bytes);
    const message = StunMessage.read(buffer);
    expect(message?.isSignedBy(key)).toBe(true);
    expect(new Uint8Array(buffer)).toEqual(bytes);
    expect(message?.attribute(0x8028)).toBeUndefined();
    expect(message?.attribute(0x8022)).toEqual(hex("41"));
  });

  it("agrees with the second reader about any bytes", () => {
    const valid = attributes.map((some) => writeStun(StunType.BindingRequest, new Uint8Array(12), some));
    const mutated = fc
      .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), fc.nat(8))
      .map(([bytes, changes, cut]) => {
        const other = Uint8Array.from(bytes);
        for (const [at, value] of changes) other[at % other.length] = value;
        return other.subarray(0, other.length - cut);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        const message = StunMessage.read(bytes);
        const again = readAgain(bytes);
        expect(message === undefined).toBe(again === undefined);
        expect(() => [message?.mappedAddress, message?.errorCode]).not.toThrow();
        for (const [type] of again ?? [])
          if (type !== StunAttribute.MessageIntegritySha256)
            expect(message?.attribute(type)).toEqual(again?.find(([other]) => other === type)?.[1]);
      }),
      { numRuns: 2000 },
    );
  });

  it("writes addresses that the texts stand for", () => {
    fc.assert(
      fc.property(endpoints, (endpoint) => {
        expect(formatAddress(addressValue(endpoint).subarray(4))).toBe(endpoint.address);
      }),
    );
  });

  it("costs little, however many attributes stand in it", () => {
    const crowded = writeStun(
      StunType.BindingRequest,
      new Uint8Array(12),
      Array.from({ length: 360 }, (): Attribute => [0x8fff, new Uint8Array(0)]),
    );
    expect(perPacketMicroseconds(() => StunMessage.read(crowded)?.attribute(0xfd00))).toBeLessThan(20);
  });
});
