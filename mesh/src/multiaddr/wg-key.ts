import { KEY_BYTES } from "../wireguard-key.js";

/** The code of `wg` in multiaddrs, a draft of the multicodec table. */
export const WG_CODE = 0x01c7;

/** `u` says base64url; 43 characters of it hold 32 bytes, without padding. */
const TEXT = /^u[\w-]{43}$/;

/**
 * A public key as a multiaddr has it.
 * @returns undefined for everything but the one canonical spelling
 */
export function parseWgKey(text: string): Uint8Array | undefined {
  if (!TEXT.test(text)) return undefined;
  const bytes = new Uint8Array(Buffer.from(text.slice(1), "base64url"));
  // The last character has two bits more than the key: they have to be 0.
  return formatWgKey(bytes) === text ? bytes : undefined;
}

/** @param key - 32 bytes; of another length, there is no text */
export function formatWgKey(key: Uint8Array): string | undefined {
  if (key.length !== KEY_BYTES) return undefined;
  return `u${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64url")}`;
}
