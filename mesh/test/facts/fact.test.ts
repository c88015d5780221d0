import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CANDIDATE_KINDS } from "../../src/candidates/candidate.js";
import { CHUNK_BYTES } from "../../src/facts/constants.js";
import { type Fact, FactWriter, readFacts } from "../../src/facts/fact.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { formatKey } from "../../src/wireguard-key.js";

const subject = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(formatKey);
const about = { subject, ttlS: fc.integer({ min: 1, max: 0xffff }) };
const endpoint = fc
  .constantFrom("10.9.0.3:1", "192.0.2.1:65535", "[fd00::3]:51820", "[2001:db8::1]:9")
  .map((text) => parseEndpoint(text) ?? { address: "10.9.0.3", family: 4 as const, port: 1 });
const facts: fc.Arbitrary<Fact> = fc.oneof(
  fc.record({
    ...about,
    attribute: fc.constant("alive" as const),
    boot: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    wantsAll: fc.boolean(),
  }),
  fc.record({
    ...about,
    attribute: fc.constant("candidate" as const),
    kind: fc.constantFrom(...CANDIDATE_KINDS.filter((kind) => kind !== "relayed")),
    endpoint,
    ageS: fc.integer({ min: 0, max: 0xffff }),
  }),
  fc.record({
    ...about,
    attribute: fc.constant("roster" as const),
    hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
);

function written(all: readonly Fact[]): Uint8Array[] {
  const writer = new FactWriter(() => true);
  for (const fact of all) expect(writer.add(fact)).toBe(true);
  return writer.datagrams();
}

describe("facts in datagrams", () => {
  it("are read as they were written, in datagrams of at most 1212 bytes", () => {
    fc.assert(
      fc.property(fc.array(facts, { minLength: 1, maxLength: 80 }), (all) => {
        const datagrams = written(all);
        for (const { length } of datagrams) expect(length).toBeLessThanOrEqual(CHUNK_BYTES);
        expect(datagrams.flatMap((bytes) => readFacts(bytes) ?? [])).toEqual(all);
      }),
    );
  });

  it("have one spelling: what else is read at all is written so again", () => {
    const damaged = fc
      .tuple(fc.array(facts, { minLength: 1, maxLength: 4 }), fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([all, at, value]) => {
        const bytes = Uint8Array.from(written(all)[0] ?? []);
        bytes[at % bytes.length] = value;
        return bytes;
      });
    const anything = fc
      .tuple(fc.constantFrom(0x21, 0x65, 0x45, 0x23), fc.uint8Array({ maxLength: 90 }))
      .map(([attribute, rest]) => Uint8Array.of(1, attribute, ...rest));
    fc.assert(
      fc.property(fc.oneof(damaged, anything, fc.uint8Array({ maxLength: 1300 })), (bytes) => {
        const read = readFacts(bytes);
        if (read !== undefined) expect(Buffer.concat(written(read))).toEqual(Buffer.from(bytes));
      }),
      { numRuns: 3000 },
    );
  });

  it("are refused when they are cut, or something stands behind them", () => {
    fc.assert(
      fc.property(facts, fc.nat(), (fact, n) => {
        const [bytes = new Uint8Array()] = written([fact]);
        expect(readFacts(bytes.subarray(0, n % bytes.length))).toBeUndefined();
        expect(readFacts(Uint8Array.of(...bytes, 0))).toBeUndefined();
      }),
    );
  });

  const key = formatKey(Uint8Array.from({ length: 32 }, (_, i) => i));
  const candidate = (address: readonly number[], { ttl = [0xff, 1], kind = 0, port = [0xca, 0x6c] } = {}) =>
    Uint8Array.of(
      ...[1, address.length === 4 ? 0x65 : 0x45, ...ttl, ...Buffer.from(key, "base64")],
      ...[kind, 0, 7, ...port, ...address],
    );

  it("have these bytes", () => {
    const fact = { subject: key, ttlS: 255, attribute: "candidate", kind: "host", ageS: 7 } as const;
    const endpoint = { address: "192.0.2.1", family: 4, port: 51820 } as const;
    expect(written([{ ...fact, endpoint }])).toEqual([Buffer.from(candidate([192, 0, 2, 1]))]);
    expect(readFacts(candidate([192, 0, 2, 1]))).toEqual([{ ...fact, endpoint }]);
  });

  it.each([
    ["loopback", candidate([127, 0, 0, 1])],
    ["multicast", candidate([224, 0, 0, 1])],
    ["a link-local address", candidate([0xfe, 0x80, ...new Array<number>(13).fill(0), 1])],
    ["IPv4 within IPv6", candidate([...new Array<number>(10).fill(0), 0xff, 0xff, 192, 0, 2, 1])],
    ["port 0", candidate([192, 0, 2, 1], { port: [0, 0] })],
    ["an address that a TURN server lends", candidate([192, 0, 2, 1], { kind: 4 })],
    ["a kind that there is not", candidate([192, 0, 2, 1], { kind: 5 })],
    ["0 seconds", candidate([192, 0, 2, 1], { ttl: [0] })],
    ["seconds in a longer form", candidate([192, 0, 2, 1], { ttl: [0xff, 0x81, 0] })],
    ["more seconds than 16 bits", candidate([192, 0, 2, 1], { ttl: [0x80, 0x80, 0x04] })],
    ["seconds without an end", candidate([192, 0, 2, 1], { ttl: [0xff, 0xff, 0xff, 0xff] })],
    ["another version", Uint8Array.of(2, ...candidate([192, 0, 2, 1]).subarray(1))],
    ["no fact", Uint8Array.of(1)],
    ["nothing", new Uint8Array()],
  ])("are not read with %s", (_, bytes) => {
    expect(readFacts(bytes)).toBeUndefined();
  });
});
