import { randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { ProbeKeys } from "./probe-keys.js";

const NONCE_BYTES = 24;
const TAG_BYTES = 16;

/** The maximum length of a message: an announce of 1200 bytes and some room. */
export const MAX_TOLD_BYTES = 1260;

/**
 * Seals a message for a peer: a random nonce, then XChaCha20-Poly1305. The sender's tag is authenticated as well, so
 * that no message can come back to its sender as the other side's.
 */
export function seal(keys: ProbeKeys, bytes: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const sealed = xchacha20poly1305(keys.sealing, nonce, keys.ownTag).encrypt(bytes);
  return Buffer.concat([nonce, sealed]);
}

/** Opens a message; undefined when the peer did not seal it. */
export function open(keys: ProbeKeys, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - NONCE_BYTES - TAG_BYTES;
  if (length < 0 || length > MAX_TOLD_BYTES) return undefined;
  try {
    const cipher = xchacha20poly1305(keys.sealing, sealed.subarray(0, NONCE_BYTES), keys.remoteTag);
    return cipher.decrypt(sealed.subarray(NONCE_BYTES));
  } catch {
    return undefined;
  }
}
