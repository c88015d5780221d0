import { createHash } from "node:crypto";
import { hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Family } from "../src/platform/platform.js";
import type { BrokerEntry, BrokerPool } from "../src/wire/broker-pool.js";
import { Keypair } from "../src/wire/identity.js";
import { brokerScore, rankBrokers } from "../src/wire/ranking.js";

/** Digests that no known host has, by the host that is to have them. */
const crafted = vi.hoisted(() => ({ digests: new Map<string, Uint8Array>() }));

vi.mock("#platform", async (importOriginal) => {
  const { platform } = await importOriginal<typeof import("#platform")>();
  const sha256 = (input: Uint8Array): string => {
    const digest = crafted.digests.get(Buffer.from(input.subarray(34)).toString("latin1"));
    return digest === undefined ? platform.sha256(input) : Buffer.from(digest).toString("hex");
  };
  return { platform: { ...platform, sha256 } };
});

afterEach(() => crafted.digests.clear());

const ADDRESS = "02fc2b5389a2f6199968105ae9ce8247aae46158a9dfa745367e1d87d3013e0ee7";

const addresses: readonly string[] = Array.from(
  { length: 500 },
  (_, i) => Keypair.fromSecretKey((i + 1).toString(16).padStart(64, "0")).publicKeyHex,
);

const anyAddress: fc.Arbitrary<string> = fc.constantFrom(...addresses);
const anyHosts: fc.Arbitrary<string[]> = fc.uniqueArray(
  fc.nat(500).map((i) => `broker-${i}.example.net`),
  { minLength: 1, maxLength: 20 },
);
const anyEntries: fc.Arbitrary<[string, BrokerEntry][]> = fc.uniqueArray(
  fc.tuple(
    fc.nat(500).map((i) => `broker-${i}.example.net`),
    fc.constantFrom(0.25, 1, 1, 2, 3.7).map((weight): BrokerEntry => ({ port: 1883, weight })),
  ),
  { maxLength: 20, selector: ([host]) => host },
);

/** As PROTOCOL has it, with other means: the digest as a number. */
function digestOf(family: Family, address: string, host: string): bigint {
  const input = Buffer.concat([
    Uint8Array.of(family === "IPv4" ? 2 : 10),
    hexToBytes(address),
    Buffer.from(host, "ascii"),
  ]);
  return BigInt(`0x${createHash("sha256").update(input).digest("hex")}`);
}

function poolOf(hosts: readonly string[], weight = 1): BrokerPool {
  const entries = Object.fromEntries(hosts.map((host) => [host, { port: 1883, weight }]));
  return { IPv4: entries, IPv6: entries };
}

function hostsOf(address: string, pool: BrokerPool, family: Family = "IPv4"): string[] {
  return rankBrokers(address, pool)[family].map(({ host }) => host);
}

describe("brokers of equal weight", () => {
  it("are in the order of their digests, the highest first", () => {
    fc.assert(
      fc.property(anyAddress, anyHosts, fc.constantFrom(0.5, 1, 3), (address, hosts, weight) => {
        for (const family of ["IPv4", "IPv6"] as const) {
          const expected = [...hosts].sort((a, b) => {
            const [x, y] = [digestOf(family, address, a), digestOf(family, address, b)];
            return x > y ? -1 : x < y ? 1 : 0;
          });
          expect(hostsOf(address, poolOf(hosts, weight), family)).toEqual(expected);
        }
      }),
    );
  });

  it("are told apart by digests whose scores are the same number", () => {
    const digest = (last: number): Uint8Array => new Uint8Array(32).fill(0x9a).fill(last, 31);
    crafted.digests.set("low", digest(1)).set("mid", digest(2)).set("high", digest(3));
    const ranked = rankBrokers(ADDRESS, poolOf(["mid", "low", "high"])).IPv4;
    expect(new Set(ranked.map(({ score }) => score)).size).toBe(1);
    expect(ranked.map(({ host }) => host)).toEqual(["high", "mid", "low"]);
  });
});

describe("a score", () => {
  it("is -ln((digest + 1) / 2^256) / weight", () => {
    const anyWeight = fc.double({ min: 1e-3, max: 1e3, noNaN: true });
    fc.assert(
      fc.property(anyAddress, anyHosts, anyWeight, (address, [host = ""], weight) => {
        const u = Number((digestOf("IPv4", address, host) + 1n) >> 192n) / 2 ** 64;
        const score = brokerScore("IPv4", host, address, weight);
        expect(score * weight).toBeCloseTo(-Math.log(u), 9);
        expect(score).toBe(brokerScore("IPv4", host, address) / weight);
      }),
    );
  });

  it("is the one that rankBrokers gives", () => {
    fc.assert(
      fc.property(anyAddress, anyEntries, (address, entries) => {
        for (const { host, weight, score } of rankBrokers(address, { IPv6: Object.fromEntries(entries) })
          .IPv6) {
          expect(brokerScore("IPv6", host, address, weight)).toBe(score);
        }
      }),
    );
  });

  it("is 0, not -0, for the highest digests, and finite for the lowest", () => {
    crafted.digests.set("highest", new Uint8Array(32).fill(0xff));
    crafted.digests.set("second", new Uint8Array(32).fill(0xff).fill(0xfe, 31));
    crafted.digests.set("lowest", new Uint8Array(32));
    expect(brokerScore("IPv4", "highest", ADDRESS)).toBe(0);
    expect(brokerScore("IPv4", "highest", ADDRESS, 2)).toBe(0);
    expect(brokerScore("IPv4", "second", ADDRESS)).toBe(0);
    expect(brokerScore("IPv4", "lowest", ADDRESS)).toBeCloseTo(256 * Math.LN2, 9);
    expect(hostsOf(ADDRESS, poolOf(["lowest", "second", "highest"]))).toEqual([
      "highest",
      "second",
      "lowest",
    ]);
  });

  it("hashes the family byte, the key and the host", () => {
    const score = brokerScore("IPv4", "a.example", ADDRESS);
    expect(brokerScore("IPv4", "a.example", ADDRESS.toUpperCase())).toBe(score);
    expect(brokerScore("IPv6", "a.example", ADDRESS)).not.toBe(score);
    expect(brokerScore("IPv4", "A.example", ADDRESS)).not.toBe(score);
    expect(brokerScore("IPv4", "a.example", addresses[0] ?? "")).not.toBe(score);
  });

  it("takes a host of 253 characters", () => {
    const host = "a".repeat(253);
    const u = Number((digestOf("IPv4", ADDRESS, host) + 1n) >> 192n) / 2 ** 64;
    expect(brokerScore("IPv4", host, ADDRESS)).toBeCloseTo(-Math.log(u), 9);
  });
});

describe("weights", () => {
  it("order brokers by score", () => {
    fc.assert(
      fc.property(anyAddress, anyEntries, (address, entries) => {
        const scores = rankBrokers(address, { IPv4: Object.fromEntries(entries) }).IPv4.map(
          ({ score }) => score,
        );
        expect(scores).toEqual([...scores].sort((a, b) => a - b));
      }),
    );
  });

  it("are the share of destinations that rank a broker first", () => {
    const pool: BrokerPool = {
      IPv4: { "heavy.example": { port: 1883, weight: 3 }, "light.example": { port: 1883, weight: 1 } },
    };
    const first = addresses.filter((address) => hostsOf(address, pool)[0] === "heavy.example").length;
    // Three quarters of 500, give or take four standard deviations.
    expect(Math.abs(first - 375)).toBeLessThan(39);
  });

  it("are 1 where the pool says nothing", () => {
    const hosts = ["a.example", "b.example", "c.example"];
    const bare: BrokerPool = { IPv4: Object.fromEntries(hosts.map((host) => [host, { port: 1 }])) };
    expect(rankBrokers(ADDRESS, bare).IPv4.map(({ host, score }) => [host, score])).toEqual(
      rankBrokers(ADDRESS, poolOf(hosts)).IPv4.map(({ host, score }) => [host, score]),
    );
  });
});

describe("a ranking", () => {
  it("does not depend on the order of the pool", () => {
    const shuffled = anyEntries.chain((entries) =>
      fc.tuple(fc.constant(entries), fc.shuffledSubarray(entries, { minLength: entries.length })),
    );
    fc.assert(
      fc.property(anyAddress, shuffled, (address, [entries, others]) => {
        const pool = { IPv4: Object.fromEntries(entries), IPv6: Object.fromEntries(entries) };
        const other = { IPv4: Object.fromEntries(others), IPv6: Object.fromEntries(others) };
        expect(rankBrokers(address, other)).toEqual(rankBrokers(address, pool));
      }),
    );
  });

  it("keeps the order of the others when one broker is removed", () => {
    fc.assert(
      fc.property(anyAddress, anyEntries, fc.nat(), (address, entries, pick) => {
        const [removed = ""] = entries[pick % Math.max(entries.length, 1)] ?? [];
        const rest = entries.filter(([host]) => host !== removed);
        expect(hostsOf(address, { IPv4: Object.fromEntries(rest) })).toEqual(
          hostsOf(address, { IPv4: Object.fromEntries(entries) }).filter((host) => host !== removed),
        );
      }),
    );
  });

  it("keeps what the pool says of each broker, and names its family", () => {
    const entry: BrokerEntry = { port: 1883, tls: 8883, username: "u", password: "p", weight: 2 };
    const { IPv4, IPv6 } = rankBrokers(ADDRESS, { IPv6: { "a.example": entry } });
    expect(IPv4).toEqual([]);
    expect(IPv6).toEqual([{ ...entry, family: "IPv6", host: "a.example", score: expect.any(Number) }]);
  });

  it("leaves the pool as it is", () => {
    const pool = poolOf(["a.example", "b.example"]);
    const before = structuredClone(pool);
    rankBrokers(ADDRESS, pool);
    expect(pool).toEqual(before);
  });

  it("has nothing of an empty pool and one broker of a pool of one", () => {
    expect(rankBrokers(ADDRESS, {})).toEqual({ IPv4: [], IPv6: [] });
    expect(hostsOf(ADDRESS, poolOf(["a.example"]))).toEqual(["a.example"]);
  });
});

describe("input checks", () => {
  // A caller without types may pass anything.
  const score = brokerScore as (...args: unknown[]) => number;

  it.each([
    ["a family in lower case", "ipv4", "a.example", 1, "family"],
    ["a family's number", 2, "a.example", 1, "family"],
    ["no family", undefined, "a.example", 1, "family"],
    ["a name that every object has", "toString", "a.example", 1, "family"],
    ["an empty host", "IPv4", "", 1, "host"],
    ["a host that is not ASCII", "IPv4", "bröker.example", 1, "host"],
    ["a host with a slash", "IPv4", "a/b", 1, "host"],
    ["a host that is too long", "IPv4", "a".repeat(254), 1, "host"],
    ["no host", "IPv4", undefined, 1, "host"],
    ["a number for a host", "IPv4", 42, 1, "host"],
    ["weight 0", "IPv4", "a.example", 0, "weight"],
    ["a negative weight", "IPv4", "a.example", -1, "weight"],
    ["NaN for a weight", "IPv4", "a.example", Number.NaN, "weight"],
    ["an infinite weight", "IPv4", "a.example", Number.POSITIVE_INFINITY, "weight"],
    ["a weight as text", "IPv4", "a.example", "1", "weight"],
  ])("refuse %s", (_, family, host, weight, path) => {
    expect(() => score(family, host, ADDRESS, weight)).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_OPTION", path }),
    );
  });

  it.each(["", "02", ADDRESS.slice(1), `04${ADDRESS.slice(2)}`, undefined, hexToBytes(ADDRESS)])(
    "refuse the address %o",
    (address) => {
      // A caller without types may pass anything.
      const rank = rankBrokers as (address: unknown, pool: BrokerPool) => unknown;
      const expected: unknown = expect.objectContaining({ code: "INVALID_ADDRESS", path: "destination" });
      expect(() => score("IPv4", "a.example", address)).toThrow(expected);
      expect(() => rank(address, {})).toThrow(expected);
    },
  );
});
