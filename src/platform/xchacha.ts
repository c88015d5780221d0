import { createCipheriv, createDecipheriv } from "node:crypto";
import { hchacha, xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { concatBytes, createView, utf8ToBytes } from "@noble/hashes/utils.js";
import type { Cipher } from "./platform.js";

const ALGORITHM = "chacha20-poly1305";
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** The constant of ChaCha20 (RFC 8439, section 2.3). */
const SIGMA: Uint32Array = wordsOf(utf8ToBytes("expand 32-byte k"));

/**
 * XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) on top of OpenSSL's ChaCha20-Poly1305. For a long message OpenSSL
 * takes a twentieth of the time, and it needs no warm-up. Without OpenSSL's ChaCha20-Poly1305, noble's code is used.
 *
 * @param nonce - 24 bytes
 */
export function xchacha(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Cipher {
  isThere ??= canMake();
  if (!isThere) return xchacha20poly1305(key, nonce, associated);
  const words = new Uint32Array(8);
  hchacha(SIGMA, wordsOf(key), wordsOf(nonce.subarray(0, 16)), words);
  const subkey = new Uint8Array(32);
  for (const [i, word] of words.entries()) createView(subkey).setUint32(4 * i, word, true);
  const iv = concatBytes(new Uint8Array(4), nonce.subarray(16));
  return {
    encrypt(plain) {
      const cipher = createCipheriv(ALGORITHM, subkey, iv, OPTIONS);
      cipher.setAAD(associated, { plaintextLength: plain.length });
      return concatBytes(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    },
    decrypt(sealed) {
      const length = sealed.length - TAG_BYTES;
      const decipher = createDecipheriv(ALGORITHM, subkey, iv, OPTIONS);
      decipher.setAAD(associated, { plaintextLength: length });
      decipher.setAuthTag(sealed.subarray(length));
      return concatBytes(decipher.update(sealed.subarray(0, length)), decipher.final());
    },
  };
}

let isThere: boolean | undefined;

function canMake(): boolean {
  try {
    createCipheriv(ALGORITHM, new Uint8Array(32), new Uint8Array(12), OPTIONS);
    return true;
  } catch {
    return false;
  }
}

/** The bytes as 32-bit little-endian words. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => createView(bytes).getUint32(4 * i, true));
}
