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

/** DER of a SEC 1 ECPrivateKey on secp256k1, up to and after the 32 key bytes (RFC 5915). */
const SEC1_HEAD = Buffer.from("302e0201010420", "hex");
const SEC1_TAIL = Buffer.from("a00706052b8104000a", "hex");

/** DER of a SubjectPublicKeyInfo for a compressed point on secp256k1, up to the 33 key bytes (RFC 5480). */
const SPKI_HEAD = Buffer.from("3036301006072a8648ce3d020106052b8104000a032200", "hex");

/** The order of secp256k1's group (SEC 2, 2.4.1). */
const ORDER = Buffer.from("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex");

/** Making a key object costs about half a verification, so the last ones are kept. */
const KEY_OBJECTS = 1024;

/**
 * A signature that is the only one within this time is made at once: waking another thread for it takes 0.04 ms
 * longer. Several are made side by side.
 */
const ALONE_MS = 1;

/** From this length on a thread costs little beside the rest, which would make one long block of the event loop. */
const LONG_BYTES = 8192;

/**
 * The cryptography of `node:crypto`, in the thread pool where that is worth it. What it will not do is done by
 * noble: not everything that is called `node:crypto` is OpenSSL (Bun's is BoringSSL, which has neither secp256k1 nor
 * ChaCha20-Poly1305), and not every OpenSSL signs SHA-1 (some distributions forbid it).
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
        // Not a point on the curve, or nothing that it could have done.
        return (await canVerify()) ? false : instead(signature, part, publicKey);
      }
    };
  },
};

/** @throws where the curve is not known */
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

/** Checks signatures; rejects for what it cannot check. */
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
 * The same signature with the lower one of its two values of s, s and n - s: Deno takes no other. What is out of
 * range stays so.
 */
export function lowS(signature: Uint8Array): Uint8Array {
  const start = ORDER.length;
  // Half of n is so little below this that nothing lies between, but for whoever looks for it.
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

/** A good signature, over no bytes, by the secret key 1. */
const KNOWN_SIGNATURE = Buffer.from(
  "5f6b2ca2be9c7d7cb22c307aa19c8302363455009121793d01e547746375e1de" +
    "7b2f175d3fafb0d3060198d453fce82175cc1221a65853317fa17944210a2cf8",
  "hex",
);
const KNOWN_KEY = Buffer.from("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "hex");

let ability: Promise<boolean> | undefined;

/** Whether `node:crypto` can check signatures at all: found out the first time that it fails to. */
function canVerify(): Promise<boolean> {
  ability ??= verifier()(KNOWN_SIGNATURE, new Uint8Array(), KNOWN_KEY).catch(() => false);
  return ability;
}
