/**
 * Keys that sign the roster: Ed25519 (RFC 8032). A message has only one valid signature, and signing needs no random
 * numbers. Every member has such a key, so that it can become an admin.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign as signWith,
  verify as verifyWith,
} from "node:crypto";

/** The length of a seed and of a public key in bytes. */
export const SIGNING_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** The DER bytes before the 32 bytes of an Ed25519 key (RFC 8410). */
const PKCS8_HEAD: Buffer = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD: Buffer = Buffer.from("302a300506032b6570032100", "hex");

/** A signing key in memory. */
export class SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, secret. */
  readonly seed: Uint8Array;
  readonly #key: KeyObject;

  /** @param seed - 32 bytes; default: a random one */
  constructor(seed: Uint8Array = new Uint8Array(randomBytes(SIGNING_KEY_BYTES))) {
    this.seed = seed;
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(SPKI_HEAD.length));
  }

  /** Signs bytes. @returns 64 bytes */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(signWith(null, bytes, this.#key));
  }

  /** Shows only the public key. */
  toJSON(): { publicKey: string } {
    return { publicKey: Buffer.from(this.publicKey).toString("base64") };
  }
}

/** Whether the owner of a public key signed these bytes; false also for bytes that are not a key. */
export function isSignedBy(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
    return verifyWith(null, bytes, key, signature);
  } catch {
    return false;
  }
}
