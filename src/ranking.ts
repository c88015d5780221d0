import { sha256 } from "@noble/hashes/sha2.js";
import { hexToBytes } from "@noble/hashes/utils.js";
import { type Broker, type BrokerEntry, type BrokerPool, FAMILIES, isHost } from "./broker-pool.js";
import { InvalidInputError } from "./errors.js";
import { PUBLIC_KEY_BYTES, parseAddress } from "./identity.js";
import type { Family } from "./platform/platform.js";

/** A broker with its place in a destination's ranking: the lower the score, the better. */
export interface RankedBroker extends Broker {
  readonly score: number;
}

/** The brokers of each family, best first. */
export interface Ranking {
  readonly IPv4: RankedBroker[];
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
 * @param destinationHex - the destination's address, 66 hex characters
 * @param weight - positive; default 1
 * @throws {@link InvalidInputError} for a malformed address, family, host or weight
 *
 * @example
 * ```ts
 * const score = brokerScore("IPv4", "broker.example.com", keys.publicKeyHex);
 * ```
 */
export function brokerScore(family: Family, host: string, destinationHex: string, weight = 1): number {
  if (!FAMILIES.includes(family))
    throw new InvalidInputError("INVALID_OPTION", "family", "expected IPv4 or IPv6");
  if (!(Number.isFinite(weight) && weight > 0)) {
    throw new InvalidInputError("INVALID_OPTION", "weight", "expected a positive number");
  }
  if (!isHost(host))
    throw new InvalidInputError("INVALID_OPTION", "host", "expected a host name or an address in ASCII");
  const input = new HashInput(parseAddress(destinationHex, "destination"));
  return scoreOf(fractionOf(input.digest(family, host)), weight);
}

/**
 * Ranks a pool for a destination: both sides compute the same order, so they meet.
 *
 * Each family is ranked apart. Brokers of equal weight are compared by their digests, so that no
 * rounding can put two programs at odds.
 *
 * @param destinationHex - the destination's address, 66 hex characters
 * @param pool - as {@link parseBrokerPool} returns it
 * @throws {@link InvalidInputError} for a malformed address
 *
 * @example
 * ```ts
 * const [best] = rankBrokers(keys.publicKeyHex, defaultBrokers).IPv4;
 * console.log(best?.host, best?.score);
 * ```
 */
export function rankBrokers(destinationHex: string, pool: BrokerPool): Ranking {
  return rankFor(parseAddress(destinationHex, "destination"), pool);
}

/** {@link rankBrokers} for an address that has been checked: that costs as much as a hundred hashes. @internal */
export function rankFor(address: string, pool: BrokerPool): Ranking {
  const input = new HashInput(address);
  return { IPv4: rankFamily(input, "IPv4", pool), IPv6: rankFamily(input, "IPv6", pool) };
}

interface Candidate {
  readonly host: string;
  readonly entry: BrokerEntry;
  readonly weight: number;
  readonly u: number;
  readonly score: number;
}

function rankFamily(input: HashInput, family: Family, pool: BrokerPool): RankedBroker[] {
  const candidates = Object.entries(pool[family] ?? {}).map(([host, entry]): Candidate => {
    const { weight = 1 } = entry;
    const u = fractionOf(input.digest(family, host));
    return { host, entry, weight, u, score: scoreOf(u, weight) };
  });
  // Equal weights by digest, where the higher one scores lower; others by score.
  candidates.sort((a, b) => {
    if (a.weight !== b.weight && a.score !== b.score) return a.score - b.score;
    // It grows with the digest. Where rounding makes it equal, the digests themselves decide.
    if (a.u !== b.u) return b.u - a.u;
    return compareBytes(input.digest(family, b.host), input.digest(family, a.host));
  });
  // Not with the spread first: V8 takes forty times as long for that.
  return candidates.map(({ host, entry, weight, score }) => ({ weight, ...entry, family, host, score }));
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** `(digest + 1) / 2^256`. */
function fractionOf(digest: Uint8Array): number {
  // Horner's rule from the low end; the 1 that is added is the carry into the lowest byte.
  let u = 1;
  for (let at = digest.length - 4; at >= 0; at -= 4) u = (u + wordAt(digest, at)) / 2 ** 32;
  return u;
}

/** Four bytes, big-endian; without a view of each digest. */
function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const low = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return high * 2 ** 16 + low;
}

/** `-ln(u) / weight`. */
function scoreOf(u: number, weight: number): number {
  // u is 1 for the highest digest, and -0 would compare like 0 but print otherwise.
  return u === 1 ? 0 : -Math.log(u) / weight;
}

/** The bytes to hash, of which only the family and the host change from broker to broker. */
class HashInput {
  readonly #bytes = new Uint8Array(1 + PUBLIC_KEY_BYTES + MAX_HOST_BYTES);

  constructor(destinationHex: string) {
    this.#bytes.set(hexToBytes(destinationHex), 1);
  }

  digest(family: Family, host: string): Uint8Array {
    const bytes = this.#bytes;
    bytes[0] = FAMILY_BYTE[family];
    const start = 1 + PUBLIC_KEY_BYTES;
    if (host.length > MAX_HOST_BYTES) {
      throw new InvalidInputError("INVALID_POOL", family, `a host of more than ${MAX_HOST_BYTES} characters`);
    }
    for (let i = 0; i < host.length; i++) bytes[start + i] = host.charCodeAt(i);
    return sha256(bytes.subarray(0, start + host.length));
  }
}

/** A domain name's longest text form (RFC 1035). */
const MAX_HOST_BYTES = 253;
