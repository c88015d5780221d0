import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { bech32m } from "@scure/base";
import { InvalidInputError } from "../base/errors.js";
import { got } from "../base/schema.js";
import { PREFIX, TEXT_LENGTH, typosIn } from "./address-typos.js";

/** Bytes of a compressed public key. */
export const PUBLIC_KEY_BYTES = 33;

/**
 * An address as people pass it on: bech32m (BIP 350) with the prefix `sw`, 62 characters. Everything that takes an
 * address takes it in this form, too. It has a checksum: up to four wrong characters are always found, and the error
 * names the places of one or two. The API itself, and the wire, have addresses in hex.
 *
 * @param address - in either form
 * @throws {@link InvalidInputError} `INVALID_ADDRESS`
 *
 * @example
 * ```ts
 * console.log(formatAddress(router.address)); // sw1q…, to be read out, typed or printed
 * ```
 */
export function formatAddress(address: string): string {
  return bech32m.encodeFromBytes(PREFIX, hexToBytes(readAddress(address)));
}

/**
 * An address of either form in hex, lower case. Whether it is a point on the curve is not looked at.
 * @param path - what the address is called where it came from, for the error
 * @throws {@link InvalidInputError} `INVALID_ADDRESS`
 */
export function readAddress(address: unknown, path = "address"): string {
  if (typeof address === "string") {
    if (IN_HEX.test(address)) return address.toLowerCase();
    const hex = decoded(address);
    if (hex !== undefined) return hex;
  }
  throw new InvalidInputError("INVALID_ADDRESS", path, problemOf(address));
}

const IN_HEX = /^0[23][0-9a-f]{64}$/i;

function decoded(text: string): string | undefined {
  if (text.length !== TEXT_LENGTH) return undefined;
  try {
    const { prefix, bytes } = bech32m.decodeToBytes(text);
    const hex = bytesToHex(bytes);
    return prefix === PREFIX && IN_HEX.test(hex) ? hex : undefined;
  } catch {
    return undefined;
  }
}

function problemOf(address: unknown): string {
  if (typeof address !== "string") return `expected ${WANTED}${got(address)}`;
  // Two typos may be in its first three characters.
  const isMeant = /^(s..|.w.|..1)/i.test(address) && !/^(0x)?[0-9a-f]*$/i.test(address);
  if (isMeant && address.length > 8 && address.length <= 2 * TEXT_LENGTH) return typosIn(address);
  // Not the text itself: it may be a secret, and errors get into logs.
  const { length } = address;
  const isSecret = /^(0x)?[0-9a-f]{64}$/i.test(address);
  const shown =
    length > 12 ? `, got ${length} characters${isSecret ? ", as a secret key has" : ""}` : got(address);
  return `expected ${WANTED}${shown}`;
}

const WANTED = "an address: sw1 and 59 more characters, or 66 hex characters";
