import { createHash } from "node:crypto";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { BrokerEntry, BrokerPool } from "../src/wire/broker-pool.js";
import vectors from "./vectors/protocol.json" with { type: "json" };

/** The modules under test as a program on one platform gets them. */
interface Side {
  readonly platform: typeof import("#platform");
  readonly identity: typeof import("../src/wire/identity.js");
  readonly packet: typeof import("../src/wire/packet.js");
  readonly ranking: typeof import("../src/wire/ranking.js");
}

const PLATFORMS = ["node", "browser"] as const;
type PlatformName = (typeof PLATFORMS)[number];

async function load(name: PlatformName): Promise<Side> {
  vi.resetModules();
  if (name === "browser") vi.doMock("#platform", () => vi.importActual("../src/platform/browser.js"));
  else vi.doUnmock("#platform");
  return {
    platform: await import("#platform"),
    identity: await import("../src/wire/identity.js"),
    packet: await import("../src/wire/packet.js"),
    ranking: await import("../src/wire/ranking.js"),
  };
}

const sides = new Map<PlatformName, Side>();

function sideOf(name: PlatformName): Side {
  const side = sides.get(name);
  if (side === undefined) throw new Error(`${name} is not loaded`);
  return side;
}

beforeAll(async () => {
  for (const name of PLATFORMS) sides.set(name, await load(name));
});

afterAll(() => {
  vi.doUnmock("#platform");
  vi.resetModules();
});

it("is the full set of vectors", () => {
  expect(vectors.keys).toHaveLength(4);
  expect(vectors.packets).toHaveLength(60);
  expect(vectors.packets.filter(({ highS }) => highS)).toHaveLength(35);
  expect(vectors.invalid).toHaveLength(18);
  expect(vectors.rankings).toHaveLength(8);
});

it("runs on two platforms that are not the same", () => {
  expect(sideOf("node").platform.platform.transports).toContain("mqtt");
  expect(sideOf("browser").platform.platform.transports).not.toContain("mqtt");
});

describe.each(PLATFORMS)("on the %s platform", (name) => {
  it.each(vectors.keys)("derives $public", ({ secret, public: expected }) => {
    const { Keypair } = sideOf(name).identity;
    expect(Keypair.fromSecretKey(secret).publicKeyHex).toBe(expected);
    expect(Keypair.fromSecretKey(hexToBytes(secret)).publicKeyHex).toBe(expected);
  });

  it("unpacks each packet to its fields", async () => {
    const { identity, packet } = sideOf(name);
    for (const vector of vectors.packets) {
      const payload = hexToBytes(vector.payload);
      expect(createHash("sha1").update(payload.subarray(97)).digest("hex")).toBe(vector.sha1);
      const unpacked = await packet.AppPacket.unpack(payload);
      expect(unpacked).not.toBeNull();
      expect({ ...unpacked, message: bytesToHex(unpacked?.message ?? new Uint8Array()) }).toEqual({
        source: identity.Keypair.fromSecretKey(vector.secret).publicKeyHex,
        queueId: vector.queueId,
        sequence: vector.seq,
        timestamp: vector.timestamp,
        type: vector.type,
        message: vector.message,
      });
    }
  });

  it.each(vectors.invalid)("gives null for: $why", async ({ payload }) => {
    expect(await sideOf(name).packet.AppPacket.unpack(hexToBytes(payload))).toBeNull();
  });

  it.each(vectors.rankings.map((vector, i) => ({ ...vector, i })))(
    "ranks as vector $i: $public, weighted: $weighted",
    (vector) => {
      const ranked = sideOf(name).ranking.rankBrokers(vector.public, poolOf(vector.weighted));
      for (const family of ["IPv4", "IPv6"] as const) {
        const expected = vector.ranking[family];
        expect(ranked[family].map(({ host }) => host)).toEqual(expected.map(({ host }) => host));
        for (const [place, { score }] of expected.entries()) {
          expect(Math.abs((ranked[family][place]?.score ?? Number.NaN) - score)).toBeLessThan(1e-12);
        }
      }
    },
  );
});

describe.each([
  { from: "node", to: "browser" },
  { from: "browser", to: "node" },
  { from: "browser", to: "browser" },
] as const)("packed on $from, unpacked on $to", ({ from, to }) => {
  it("gives the same fields", async () => {
    const keys = sideOf(from).identity.Keypair.generate();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex),
        fc.nat(0xffff_ffff),
        fc.maxSafeNat(),
        fc.constantFrom(1, 2, 3),
        fc.uint8Array({ maxLength: 300 }),
        async (queueId, sequence, timestamp, type, message) => {
          const fields = { queueId, sequence, timestamp, type, message };
          const payload = await sideOf(from).packet.AppPacket.pack(fields, keys);
          const unpacked = await sideOf(to).packet.AppPacket.unpack(payload);
          expect({ ...unpacked }).toEqual({ ...fields, source: keys.publicKeyHex });
        },
      ),
      { numRuns: 50 },
    );
  });
});

/** The pool of the vectors; where they are not weighted, all weights are 1. */
function poolOf(weighted: boolean): BrokerPool {
  const pool: { IPv4: Record<string, BrokerEntry>; IPv6: Record<string, BrokerEntry> } = {
    IPv4: {},
    IPv6: {},
  };
  for (const { af, host, port, weight } of vectors.pool) {
    pool[af === "IPv6" ? "IPv6" : "IPv4"][host] = { port, weight: weighted ? weight : 1 };
  }
  return pool;
}
