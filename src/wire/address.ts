import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { bech32m } from "@scure/base";
import { InvalidInputError } from "../base/errors.js";
import { got } from "../base/schema.js";
import { PREFIX, TEXT_LENGTH, typosIn } from "./address-typos.js";

/** The length of a compressed public key in bytes. */
export const PUBLIC_KEY_BYTES = 33;

/**
 * Formats an address for people: bech32m (BIP 350) with the prefix `sw`, 62 characters. The checksum detects up to four
 * wrong characters in every case, and the error for a typo names the positions of one or two wrong characters.
 *
 * Every function that takes an address accepts both forms. The API itself returns addresses in hex, and the wire
 * protocol uses hex.
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
 * Converts an address of either form to lower-case hex. Does not check whether the address is a point on the curve.
 * @param path - the name of the value, for the error
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
  // Up to two of the first three characters, `sw1`, may be typos.
  const isMeant = /^(s..|.w.|..1)/i.test(address) && !/^(0x)?[0-9a-f]*$/i.test(address);
  if (isMeant && address.length > 8 && address.length <= 2 * TEXT_LENGTH) return typosIn(address);
  // The error does not contain the text itself: the text may be a secret key, and errors get into logs.
  const { length } = address;
  const isSecret = /^(0x)?[0-9a-f]{64}$/i.test(address);
  const shown =
    length > 12 ? `, got ${length} characters${isSecret ? ", as a secret key has" : ""}` : got(address);
  return `expected ${WANTED}${shown}`;
}

const WANTED = "an address: sw1 and 59 more characters, or 66 hex characters";
