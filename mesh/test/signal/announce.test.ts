import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate, CandidateKind } from "../../src/candidates/candidate.js";
import type { NatVerdict } from "../../src/info.js";
import { unmapped } from "../../src/ip/address.js";
import { type Endpoint, endpointOf } from "../../src/ip/endpoint.js";
import { isReachable } from "../../src/ip/scope.js";
import { type Announce, decodeAnnounce, encodeAnnounce } from "../../src/signal/announce.js";
import { isNewer } from "../../src/signal/freshness.js";
import { perPacketMicroseconds } from "../support/timing.js";

const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
const u32 = fc.nat(0xffff_ffff);
const kinds = fc.constantFrom<CandidateKind>("host", "reflexive", "mapped", "configured");
const verdicts = fc.constantFrom<NatVerdict>("open", "stable", "symmetric", "blocked", "unknown");

const endpoints: fc.Arbitrary<Endpoint> = fc
  .tuple(
    fc
      .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
      .map(unmapped)
      .filter(isReachable),
    fc.integer({ min: 1, max: 65_535 }),
  )
  .map(([address, port]) => endpointOf(address, port))
  .filter((endpoint) => endpoint !== undefined);

const candidates: fc.Arbitrary<Candidate> = fc.record({
  kind: kinds,
  endpoint: endpoints,
  ageS: fc.nat(65_535),
});

const announces: fc.Arbitrary<Announce> = fc.record({
  boot: u64,
  counter: u32,
  seenBoot: u64,
  seenCounter: u32,
  nat: verdicts,
  isRelay: fc.boolean(),
  candidates: fc.array(candidates, { maxLength: 16 }),
});

/** An announce with these records between its head and the zeros. */
function withRecords(...records: readonly (readonly [type: number, ...value: number[]])[]): Uint8Array {
  const bytes = encodeAnnounce({
    boot: 1n,
    counter: 1,
    seenBoot: 0n,
    seenCounter: 0,
    nat: "unknown",
    isRelay: false,
    candidates: [],
  });
  bytes.fill(0, 25);
  bytes.set(
    records.flatMap(([type, ...value]) => [type, value.length >> 8, value.length & 255, ...value]),
    25,
  );
  return bytes;
}

describe("an announce", () => {
  it("is read as it was written, and is as long as all others", () => {
    fc.assert(
      fc.property(announces, (announce) => {
        const bytes = encodeAnnounce(announce);
        expect(decodeAnnounce(bytes)).toEqual(announce);
        expect(decodeAnnounce(Buffer.from(bytes))).toEqual(announce);
        expect(bytes.length).toBe(512);
      }),
    );
  });

  it("has 16 candidates at most, the first, and no older than can be said", () => {
    fc.assert(
      fc.property(fc.array(candidates, { minLength: 17, maxLength: 40 }), (many) => {
        const old = many.map((one) => ({ ...one, ageS: 1e9 }));
        const bytes = encodeAnnounce({
          boot: 1n,
          counter: 1,
          seenBoot: 0n,
          seenCounter: 0,
          nat: "open",
          isRelay: false,
          candidates: old,
        });
        const expected = old.slice(0, 16).map((one) => ({ ...one, ageS: 65_535 }));
        expect(decodeAnnounce(bytes)?.candidates).toEqual(expected);
      }),
    );
  });

  it("skips what later versions may say, and where nobody can be", () => {
    const bytes = withRecords(
      [9, 1, 2, 3],
      [2, 77, 0, 0, 0, 5, 192, 0, 2, 1],
      [2, 0, 0, 0, 0, 5, 127, 0, 0, 1],
      [2, 0, 0, 0, 0, 5, 224, 0, 0, 1],
      [2, 0, 0, 0, 0, 5, 255, 255, 255, 255],
      [2, 0, 0, 0, 0, 5, 169, 254, 1, 1],
      [2, 0, 0, 0, 0, 0, 192, 0, 2, 1],
      [2, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1],
      [2, 0, 0],
      [1, 200],
      [2, 1, 0, 7, 0, 5, 192, 0, 2, 1],
    );
    expect(decodeAnnounce(bytes)).toMatchObject({
      nat: "unknown",
      candidates: [{ kind: "reflexive", ageS: 7, endpoint: { address: "192.0.2.1", family: 4, port: 5 } }],
    });
  });

  it("has at most 32 candidates, however many are written", () => {
    const short = withRecords();
    const bytes = new Uint8Array(1200);
    bytes.set(short);
    for (let i = 0; i < 97; i++) bytes.set([2, 0, 9, 0, 0, 0, 0, 5, 192, 0, 2, 1], 25 + 12 * i);
    expect(decodeAnnounce(bytes)?.candidates).toHaveLength(32);
  });

  it("is refused when it is cut, of another length or version, or says something behind its end", () => {
    const bytes = withRecords([9, 1]);
    expect(decodeAnnounce(bytes)).toBeDefined();
    expect(decodeAnnounce(bytes.subarray(0, 511))).toBeUndefined();
    expect(decodeAnnounce(new Uint8Array(0))).toBeUndefined();
    expect(decodeAnnounce(Uint8Array.from(bytes).fill(2, 0, 1))).toBeUndefined();
    expect(decodeAnnounce(Uint8Array.from(bytes).fill(1, 500, 501))).toBeUndefined();
    expect(decodeAnnounce(Uint8Array.from(bytes).fill(0xff, 25, 28))).toBeUndefined();
  });

  it("is read or refused, whatever the bytes are", () => {
    const mutated = fc
      .tuple(announces, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 }))
      .map(([announce, changes]) => {
        const bytes = encodeAnnounce(announce);
        for (const [at, value] of changes) bytes[at % 440] = value;
        return bytes;
      });
    const random = fc
      .tuple(fc.uint8Array({ maxLength: 1200 }), fc.constantFrom(512, 1200))
      .map(([bytes, length]) => Uint8Array.from({ length }, (_, i) => (i === 0 ? 1 : (bytes[i] ?? 0))));
    fc.assert(
      fc.property(fc.oneof(mutated, random, fc.uint8Array()), (bytes) => {
        const announce = decodeAnnounce(bytes);
        if (announce === undefined) return;
        expect(announce.candidates.length).toBeLessThanOrEqual(32);
        const again = decodeAnnounce(encodeAnnounce(announce));
        expect(again).toEqual({ ...announce, candidates: announce.candidates.slice(0, 16) });
      }),
      { numRuns: 3000 },
    );
  });

  it("costs less than a hundred signatures of them would allow to be sent", () => {
    const bytes = new Uint8Array(1200);
    bytes.set(withRecords());
    for (let i = 0; i < 391; i++) bytes.set([2, 0, 0], 25 + 3 * i);
    expect(perPacketMicroseconds(() => decodeAnnounce(bytes))).toBeLessThan(500);
  });
});

describe("freshness", () => {
  it("orders announces by start and number, each newer than itself never", () => {
    const editions = fc.record({ boot: fc.bigInt(0n, 3n), counter: fc.nat(3) });
    fc.assert(
      fc.property(editions, editions, (one, other) => {
        const order = Number(one.boot - other.boot) || one.counter - other.counter;
        expect(isNewer(one, other)).toBe(order > 0);
        expect(isNewer(one, undefined)).toBe(true);
      }),
    );
  });

  it("lets nothing change that is repeated, late, of an old start or has a smaller number", () => {
    const history = fc.array(fc.record({ boot: fc.bigInt(0n, 5n), counter: fc.nat(20) }));
    fc.assert(
      fc.property(history, fc.nat(), (sent, seed) => {
        let last: { boot: bigint; counter: number } | undefined;
        const accepted: string[] = [];
        // Everything comes twice, in any order.
        const arriving = [...sent, ...sent].sort(
          (a, b) => ((a.counter * 31 + seed) % 7) - ((b.counter * 31 + seed) % 7),
        );
        for (const one of arriving) {
          if (!isNewer(one, last)) continue;
          accepted.push(`${one.boot} ${one.counter}`);
          last = one;
        }
        expect(new Set(accepted).size).toBe(accepted.length);
        for (const one of sent) expect(isNewer(one, last)).toBe(false);
      }),
    );
  });
});
