import { type AddressBytes, formatAddress, parseAddress } from "./address.js";

/** A range of addresses: all addresses that begin with the same bits. */
export interface Prefix {
  /** The first address of the range; the bits after the prefix are 0. */
  readonly address: AddressBytes;
  readonly bits: number;
}

/**
 * Reads a prefix from text. An address without a length is a prefix of its whole length. Bits after the prefix are
 * cleared.
 */
export function parsePrefix(text: string): Prefix | undefined {
  const [host = "", length, more] = text.split("/");
  const address = parseAddress(host);
  if (address === undefined || more !== undefined) return undefined;
  const most = address.length * 8;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const bits = length === undefined ? most : Number(length);
  return bits > most ? undefined : { address: masked(address, bits), bits };
}

export function formatPrefix({ address, bits }: Prefix): string {
  return `${formatAddress(address)}/${bits}`;
}

/** Whether an address is in a prefix. */
export function contains({ address, bits }: Prefix, other: AddressBytes): boolean {
  if (other.length !== address.length) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (address[i] !== other[i]) return false;
  const rest = 0xff & (0xff00 >> (bits & 7));
  return (((address[whole] ?? 0) ^ (other[whole] ?? 0)) & rest) === 0;
}

/** Whether two prefixes have an address in common. */
export function overlaps(one: Prefix, other: Prefix): boolean {
  return one.bits <= other.bits ? contains(one, other.address) : contains(other, one.address);
}

/** An address with all bits after the prefix cleared. */
export function masked(address: AddressBytes, bits: number): AddressBytes {
  return address.map((byte, i) => byte & (0xff << Math.max(0, 8 - Math.max(0, bits - 8 * i))));
}
