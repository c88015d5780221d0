import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  hash,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import { monotonicNow } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import { noble } from "./noble.js";
import type { Cryptography, Sign, Verify } from "./platform.js";
import { ThreadPool } from "./thread-pool.js";
import { xchacha } from "./xchacha.js";

/** The DER encoding of an ECPrivateKey on secp256k1 (SEC 1, RFC 5915), before and after the 32 bytes of the key. */
const SEC1_HEAD = Buffer.from("302e0201010420", "hex");
const SEC1_TAIL = Buffer.from("a00706052b8104000a", "hex");

/**
 * The DER encoding of a SubjectPublicKeyInfo for a compressed point on secp256k1 (RFC 5480), before the 33 bytes of the
 * key.
 */
const SPKI_HEAD = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");

/** The order of secp256k1's group (SEC 2, section 2.4.1). */
const ORDER = Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex");

/** The number of key objects that are kept. Making one costs about half as much as verifying a signature. */
const KEY_OBJECTS = 1024;

/**
 * A signature that is the only one within this time is made on the calling thread, because waking another thread takes
 * 0.04 ms longer. Several signatures are made in parallel.
 */
const ALONE_MS = 1;

/** For parts of this length and more, a thread costs little in comparison, and signing would block the event loop. */
const LONG_BYTES = 8192;

/**
 * The cryptography of `node:crypto`, in the thread pool where that is worth the cost. Noble does what `node:crypto`
 * cannot do. Bun's `node:crypto` is BoringSSL, which has neither secp256k1 nor ChaCha20-Poly1305. Some Linux
 * distributions forbid OpenSSL to sign SHA-1.
 */
export const openssl: Cryptography = {
  sha256: (bytes) => hash("sha256", bytes, "hex"),

  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),

  createSign(secretKey) {
    const instead: Sign = (part) => noble.createSign(secretKey)(part);
    try {
      return signer(secretKey, instead);
    } catch {
      return instead;
    }
  },

  createEcdh(secretKey) {
    try {
      const ecdh = createECDH("secp256k1");
      ecdh.setPrivateKey(secretKey);
      return {
        publicKey: Uint8Array.from(ecdh.getPublicKey(null, "compressed")),
        sharedSecret: (publicKey) => Uint8Array.from(ecdh.computeSecret(publicKey)),
      };
    } catch {
      return noble.createEcdh(secretKey);
    }
  },

  createCipher: xchacha,

  createVerify() {
    const instead = noble.createVerify();
    const check = verifier();
    return async (signature, part, publicKey) => {
      try {
        return await check(signature, part, publicKey);
      } catch {
        // Either the key is not a point on the curve, or `node:crypto` cannot verify at all.
        return (await canVerify()) ? false : instead(signature, part, publicKey);
      }
    };
  },
};

/** @throws when `node:crypto` does not know the curve */
function signer(secretKey: Uint8Array, instead: Sign): Sign {
  const key = createPrivateKey({
    key: Buffer.concat([SEC1_HEAD, secretKey, SEC1_TAIL]),
    format: "der",
    type: "sec1",
  });
  const options = { key, dsaEncoding: "ieee-p1363" } as const;
  const pool = new ThreadPool();
  let lastAt = Number.NEGATIVE_INFINITY;
  const signHere = (part: Uint8Array): Uint8Array | Promise<Uint8Array> => {
    try {
      return sign("sha1", part, options);
    } catch {
      return instead(part);
    }
  };
  return (part) => {
    const now = monotonicNow();
    const isAlone = now - lastAt > ALONE_MS;
    lastAt = now;
    if (isAlone && part.length < LONG_BYTES) return signHere(part);
    return pool
      .run<Uint8Array>(
        (done) => sign("sha1", part, options, done),
        () => sign("sha1", part, options),
      )
      .catch(() => instead(part));
  };
}

/** Verifies signatures. Rejects when it cannot do so. */
function verifier(): (...args: Parameters<Verify>) => Promise<boolean> {
  const keys = new BoundedMap<string, KeyObject>(KEY_OBJECTS);
  const keyObject = (publicKey: Uint8Array): KeyObject => {
    const id = Buffer.from(publicKey).toString("latin1");
    let key = keys.get(id);
    if (key === undefined) {
      key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
    }
    keys.set(id, key);
    return key;
  };
  const pool = new ThreadPool();
  return async (signature, part, publicKey) => {
    const key = { key: keyObject(publicKey), dsaEncoding: "ieee-p1363" } as const;
    const low = lowS(signature);
    return await pool.run<boolean>(
      (done) => verify("sha1", part, key, low, done),
      () => verify("sha1", part, key, low),
    );
  };
}

/**
 * The same signature with the lower one of its two possible values of s, which are s and n - s. Deno accepts only the
 * lower one. An s that is out of range stays out of range.
 */
export function lowS(signature: Uint8Array): Uint8Array {
  const start = ORDER.length;
  // Only the first byte is compared. Half of n is a little less than 0x80…, and no signature falls between the two by
  // chance.
  if ((signature[start] ?? 0) < 0x80) return signature;
  const low = Uint8Array.from(signature);
  let borrow = 0;
  for (let i = start - 1; i >= 0; i--) {
    const difference = (ORDER[i] ?? 0) - (signature[start + i] ?? 0) - borrow;
    borrow = difference < 0 ? 1 : 0;
    low[start + i] = difference;
  }
  return low;
}

/** A valid signature over no bytes, by the secret key 1. */
const KNOWN_SIGNATURE = Buffer.from(
  "5f6b2ca2be9c7d7cb22c307aa19c8302363455009121793d01e547746375e1de" +
    "7b2f175d3fafb0d3060198d453fce82175cc1221a65853317fa17944210a2cf8",
  "hex",
);
const KNOWN_KEY = Buffer.from("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "hex");

let ability: Promise<boolean> | undefined;

/** Whether `node:crypto` can verify signatures at all. Tested when a verification fails for the first time. */
function canVerify(): Promise<boolean> {
  ability ??= verifier()(KNOWN_SIGNATURE, new Uint8Array(), KNOWN_KEY).catch(() => false);
  return ability;
}
