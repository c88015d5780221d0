import { randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { ProbeKeys } from "./probe-keys.js";

const NONCE_BYTES = 24;
const TAG_BYTES = 16;

/** The most that is sealed: an announce of 1200 bytes and some room. */
export const MAX_TOLD_BYTES = 1260;

/**
 * Seals what is told to a peer: a random nonce, then XChaCha20-Poly1305. The sender's tag is authenticated with it, so
 * that nothing comes back to its sender as the other's.
 */
export function seal(keys: ProbeKeys, bytes: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const sealed = xchacha20poly1305(keys.sealing, nonce, keys.ownTag).encrypt(bytes);
  return Buffer.concat([nonce, sealed]);
}

/** Opens what the peer has sealed; undefined when it has not. */
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
