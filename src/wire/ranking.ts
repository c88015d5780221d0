import { hexToBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { check, isRecord } from "../base/schema.js";
import type { Family } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES, readAddress } from "./address.js";
import {
  aHost,
  type BrokerEntry,
  type BrokerPool,
  FAMILIES,
  type PoolBroker,
  positive,
} from "./broker-pool.js";

/** A broker and its score in the ranking of a destination. A lower score is better. */
export interface RankedBroker extends PoolBroker {
  /** The score, as {@link brokerScore} computes it. */
  readonly score: number;
}

/** The brokers of each family, the best first. */
export interface Ranking {
  /** The brokers over IPv4. */
  readonly IPv4: RankedBroker[];
  /** The brokers over IPv6. */
  readonly IPv6: RankedBroker[];
}

/** The byte that is hashed for each family. The values are AF_INET and AF_INET6 of Linux, on every system. */
const FAMILY_BYTE: Readonly<Record<Family, number>> = { IPv4: 2, IPv6: 10 };

/**
 * Computes a broker's score for a destination. The broker with the lowest score is the best.
 *
 * The algorithm is weighted rendezvous hashing (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker
 * 2005). The score is `-ln(u) / weight`, where u in (0, 1] is the SHA-256 of family, key and host as a fraction.
 *
 * @param destination - the destination's address, in hex or in bech32m
 * @param weight - positive; default: 1
 * @throws {@link InvalidInputError} for a malformed address, family, host or weight
 *
 * @example
 * ```ts
 * const score = brokerScore("IPv4", "broker.example.com", keys.publicKeyHex);
 * ```
 */
export function brokerScore(family: Family, host: string, destination: string, weight = 1): number {
  check(FAMILIES.includes(family), "INVALID_OPTION", "family", "IPv4 or IPv6");
  positive(weight, "INVALID_OPTION", "weight");
  aHost(host, "INVALID_OPTION", "host");
  const digest = digestFor(readAddress(destination, "destination"));
  return scoreOf(fractionOf(digest(family, host)), weight);
}

/**
 * Ranks the brokers of a pool for a destination. Both peers compute the same order, so they meet at the same brokers.
 *
 * Each family has its own ranking. Brokers of equal weight are compared by their digests, not by their scores. So
 * rounding errors never give two programs different orders.
 *
 * @param destination - the destination's address, in hex or in bech32m
 * @param pool - a pool as {@link parseBrokerPool} returns it
 * @throws {@link InvalidInputError} for a malformed address or pool
 *
 * @example
 * ```ts
 * const [best] = rankBrokers(keys.publicKeyHex, defaultBrokers).IPv4;
 * console.log(best?.host, best?.score);
 * ```
 */
export function rankBrokers(destination: string, pool: BrokerPool): Ranking {
  // The ranking does not depend on whether the address is a point on the curve, and that check takes as long as a
  // hundred hashes.
  const address = readAddress(destination, "destination");
  check(isRecord(pool), "INVALID_POOL", "pool", "an object");
  return rankFor(address, pool);
}

/** The same as {@link rankBrokers}, for an address that was checked already. @internal */
export function rankFor(address: string, pool: BrokerPool): Ranking {
  const digest = digestFor(address);
  return { IPv4: rankFamily(digest, "IPv4", pool), IPv6: rankFamily(digest, "IPv6", pool) };
}

interface Candidate {
  readonly host: string;
  readonly entry: BrokerEntry;
  readonly weight: number;
  readonly u: number;
  readonly score: number;
}

function rankFamily(digest: Digest, family: Family, pool: BrokerPool): RankedBroker[] {
  const candidates = Object.entries(pool[family] ?? {}).map(([host, entry]): Candidate => {
    const { weight = 1 } = Object(entry);
    if (!(weight > 0)) positive(weight, "INVALID_POOL", host);
    const u = fractionOf(digest(family, host));
    return { host, entry, weight, u, score: scoreOf(u, weight) };
  });
  // Brokers of equal weight are compared by digest: the higher digest has the lower score. Others are compared by
  // score.
  candidates.sort((a, b) => {
    if (a.weight !== b.weight && a.score !== b.score) return a.score - b.score;
    // u grows with the digest. Where rounding makes two u equal, the digests themselves decide.
    if (a.u !== b.u) return b.u - a.u;
    return digest(family, a.host) < digest(family, b.host) ? 1 : -1;
  });
  // `weight` stands before the spread on purpose: with the spread first, V8 takes forty times as long.
  return candidates.map(({ host, entry, weight, score }) => ({ weight, ...entry, family, host, score }));
}

/** The digest as a fraction: `(digest + 1) / 2^256`. */
function fractionOf(digest: string): number {
  // Horner's rule, from the lowest digits up. The added 1 starts as the carry into the lowest digits.
  let u = 1;
  for (let at = digest.length - 8; at >= 0; at -= 8) {
    u = (u + Number.parseInt(digest.slice(at, at + 8), 16)) / 2 ** 32;
  }
  return u;
}

/** The score: `-ln(u) / weight`. */
function scoreOf(u: number, weight: number): number {
  // u is 1 for the highest digest. The formula would return -0, which compares like 0 but prints differently.
  return u === 1 ? 0 : -Math.log(u) / weight;
}

/** Computes a SHA-256 digest as hex. */
type Digest = (family: Family, host: string) => string;

/** Computes digests for one destination. The buffer is reused: only the family and the host differ between brokers. */
function digestFor(destinationHex: string): Digest {
  const start = 1 + PUBLIC_KEY_BYTES;
  const bytes = new Uint8Array(start + MAX_HOST_BYTES);
  bytes.set(hexToBytes(destinationHex), 1);
  return (family, host) => {
    if (host.length > MAX_HOST_BYTES) check(false, "INVALID_POOL", family, "hosts of at most 253 characters");
    bytes[0] = FAMILY_BYTE[family];
    for (let i = 0; i < host.length; i++) bytes[start + i] = host.charCodeAt(i);
    return platform.sha256(bytes.subarray(0, start + host.length));
  };
}

/** The longest domain name in text form (RFC 1035). */
const MAX_HOST_BYTES = 253;
