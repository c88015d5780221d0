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

/** A broker with its place in a destination's ranking: the lower the score, the better. */
export interface RankedBroker extends PoolBroker {
  /** As {@link brokerScore} computes it. */
  readonly score: number;
}

/** The brokers of each family, best first. */
export interface Ranking {
  /** Those over IPv4. */
  readonly IPv4: RankedBroker[];
  /** Those over IPv6. */
  readonly IPv6: RankedBroker[];
}

/** The family byte that is hashed: Linux's AF_INET and AF_INET6, on every system. */
const FAMILY_BYTE: Readonly<Record<Family, number>> = { IPv4: 2, IPv6: 10 };

/**
 * A broker's score for a destination; the lowest is the best.
 *
 * Weighted rendezvous hashing (Thaler and Ravishankar 1998; the weights as in Schindelhauer and
 * Schomaker 2005): `-ln(u) / weight`, where u in (0, 1] is the SHA-256 of family, key and host.
 *
 * @param destination - its address, in hex or in bech32m
 * @param weight - positive; default 1
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
 * Ranks a pool for a destination: both sides compute the same order, so they meet.
 *
 * Each family is ranked apart. Brokers of equal weight are compared by their digests, so that no
 * rounding can put two programs at odds.
 *
 * @param destination - its address, in hex or in bech32m
 * @param pool - as {@link parseBrokerPool} returns it
 * @throws {@link InvalidInputError} for a malformed address
 *
 * @example
 * ```ts
 * const [best] = rankBrokers(keys.publicKeyHex, defaultBrokers).IPv4;
 * console.log(best?.host, best?.score);
 * ```
 */
export function rankBrokers(destination: string, pool: BrokerPool): Ranking {
  // Whether it is a point on the curve makes no difference here, and takes as long as a hundred hashes.
  const address = readAddress(destination, "destination");
  check(isRecord(pool), "INVALID_POOL", "pool", "an object");
  return rankFor(address, pool);
}

/** {@link rankBrokers} for an address that has been checked. @internal */
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
  // Equal weights by digest, where the higher one scores lower; others by score.
  candidates.sort((a, b) => {
    if (a.weight !== b.weight && a.score !== b.score) return a.score - b.score;
    // It grows with the digest. Where rounding makes it equal, the digests themselves decide.
    if (a.u !== b.u) return b.u - a.u;
    return digest(family, a.host) < digest(family, b.host) ? 1 : -1;
  });
  // Not with the spread first: V8 takes forty times as long for that.
  return candidates.map(({ host, entry, weight, score }) => ({ weight, ...entry, family, host, score }));
}

/** `(digest + 1) / 2^256`. */
function fractionOf(digest: string): number {
  // Horner's rule from the low end; the 1 that is added is the carry into the lowest digit.
  let u = 1;
  for (let at = digest.length - 8; at >= 0; at -= 8) {
    u = (u + Number.parseInt(digest.slice(at, at + 8), 16)) / 2 ** 32;
  }
  return u;
}

/** `-ln(u) / weight`. */
function scoreOf(u: number, weight: number): number {
  // u is 1 for the highest digest, and -0 would compare like 0 but print otherwise.
  return u === 1 ? 0 : -Math.log(u) / weight;
}

/** SHA-256 as hex. */
type Digest = (family: Family, host: string) => string;

/** Digests for one destination: of the bytes to hash only the family and the host change from broker to broker. */
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

/** A domain name's longest text form (RFC 1035). */
const MAX_HOST_BYTES = 253;
