import { KEY_BYTES } from "../wireguard-key.js";

/** The code of `wg` in multiaddrs. In the multicodec table, this code is a draft. */
export const WG_CODE = 0x01c7;

/** `u` means base64url. 43 characters without padding are 32 bytes. */
const TEXT = /^u[\w-]{43}$/;

/**
 * Reads a public key in the form of multiaddrs.
 * @returns undefined for any other form
 */
export function parseWgKey(text: string): Uint8Array | undefined {
  if (!TEXT.test(text)) return undefined;
  const bytes = new Uint8Array(Buffer.from(text.slice(1), "base64url"));
  // The last character has two bits more than the key. These bits must be 0.
  return formatWgKey(bytes) === text ? bytes : undefined;
}

/** @returns undefined if the key has not 32 bytes */
export function formatWgKey(key: Uint8Array): string | undefined {
  if (key.length !== KEY_BYTES) return undefined;
  return `u${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64url")}`;
}
