import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { etc, getSharedSecret, hashes, Point, sign, verify } from "@noble/secp256k1";
import type { Cryptography } from "./platform.js";

const { n: ORDER } = Point.CURVE();
const HALF: bigint = (ORDER + 1n) / 2n;

/**
 * The public key, kG, as (k/2)(2G). noble multiplies G by tables, and making them takes a page 30 ms, which it would
 * spend before it dials the first broker. The product with another point takes 8 ms the first time, and no tables.
 */
function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  const half = etc.mod(etc.bytesToNumberBE(secretKey) * HALF, ORDER);
  return Point.BASE.double().multiply(half).toBytes(true);
}

/** Cryptography in JavaScript, for browsers and for platforms that lack a function. */
export const noble: Cryptography = {
  sha256: (bytes) => bytesToHex(sha256(bytes)),

  hkdf: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),

  createSign(secretKey) {
    // RFC 6979 needs an HMAC. All users of the module share these slots, so they are filled late, and only if they are
    // empty.
    hashes.sha256 ??= sha256;
    hashes.hmacSha256 ??= (key, message) => hmac(sha256, key, message);
    return (part) => sign(sha1(part), secretKey, { prehash: false });
  },

  createEcdh: (secretKey) => ({
    publicKey: publicKeyOf(secretKey),
    sharedSecret: (publicKey) => getSharedSecret(secretKey, publicKey).slice(1),
  }),

  createCipher: xchacha20poly1305,

  createVerify() {
    return (signature, part, publicKey) => {
      try {
        return verify(signature, sha1(part), publicKey, { prehash: false, lowS: false });
      } catch {
        return false; // wrong length, r or s out of range, not a point on the curve
      }
    };
  },
};
