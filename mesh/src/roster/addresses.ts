import { createHash } from "node:crypto";
import type { AddressBytes } from "../ip/address.js";
import { contains, type Prefix } from "../ip/prefix.js";

/** The prefix of every IPv6 address of a network: fd, 40 bits of the network's id, subnet 0 (RFC 4193). */
export function ulaPrefix(network: Uint8Array): Prefix {
  const address = new Uint8Array(16);
  address[0] = 0xfd;
  address.set(network.subarray(0, 5), 1);
  return { address, bits: 64 };
}

/**
 * The IPv6 address of a member: the network's prefix, and 64 bits of the SHA-256 of network and key. So no host must
 * assign it. Two members only get the same address if somebody makes 2³² keys for that purpose.
 * @param publicKey - the WireGuard key, 32 bytes
 */
export function ulaOf(network: Uint8Array, publicKey: Uint8Array): AddressBytes {
  const { address } = ulaPrefix(network);
  address.set(createHash("sha256").update(network).update(publicKey).digest().subarray(0, 8), 8);
  return address;
}

/** Whether a member may have an IPv4 address: it is in the prefix, and is neither the first nor the last address. */
export function isAssignable({ address, bits }: Prefix, one: AddressBytes): boolean {
  const last = numberOf(address) + 2 ** (32 - bits) - 1;
  const number = numberOf(one);
  return contains({ address, bits }, one) && number !== numberOf(address) && number !== last;
}

/**
 * The next free IPv4 address.
 * @param isTaken - whether an address, given as a number, is taken
 * @param start - the offset where the search begins, from the first assignable address
 * @returns undefined when all addresses are taken
 */
export function nextFree(
  { address, bits }: Prefix,
  isTaken: (address: number) => boolean,
  start = 0,
): AddressBytes | undefined {
  const usable = 2 ** (32 - bits) - 2;
  const first = numberOf(address) + 1;
  // A prefix with more addresses than members has a free one among these.
  for (let i = 0; i < Math.min(usable, MAX_TRIES); i++) {
    const number = first + ((start + i) % usable);
    if (!isTaken(number)) return bytesOf(number);
  }
  return undefined;
}

/** The number of addresses that are tried: more than a network may have members, including removed ones. */
const MAX_TRIES = 65_536;

export function numberOf(address: AddressBytes): number {
  const [a = 0, b = 0, c = 0, d = 0] = address;
  return ((a * 256 + b) * 256 + c) * 256 + d;
}

function bytesOf(number: number): AddressBytes {
  return Uint8Array.of(number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff);
}
