/**
 * Keys that sign the roster: Ed25519 (RFC 8032). A signature has one spelling alone, and signing needs no random
 * numbers. Every member has one, so that it can be made an admin.
 */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomBytes,
  sign as signWith,
  verify as verifyWith,
} from "node:crypto";

/** Bytes of a seed, and of a public key. */
export const SIGNING_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** What stands before the 32 bytes of an Ed25519 key in DER (RFC 8410). */
const PKCS8_HEAD: Buffer = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD: Buffer = Buffer.from("302a300506032b6570032100", "hex");

/** A key that signs, held in memory. */
export class SigningKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 32 bytes, secret. */
  readonly seed: Uint8Array;
  readonly #key: KeyObject;

  /** @param seed - 32 bytes; default: a new one */
  constructor(seed: Uint8Array = new Uint8Array(randomBytes(SIGNING_KEY_BYTES))) {
    this.seed = seed;
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: "der", type: "pkcs8" });
    const spki = createPublicKey(this.#key).export({ format: "der", type: "spki" });
    this.publicKey = new Uint8Array(spki.subarray(SPKI_HEAD.length));
  }

  /** 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(signWith(null, bytes, this.#key));
  }

  /** Shows the public key alone. */
  toJSON(): { publicKey: string } {
    return { publicKey: Buffer.from(this.publicKey).toString("base64") };
  }
}

/** Whether the owner of a public key signed these bytes; false also for what is no key. */
export function isSignedBy(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
    return verifyWith(null, bytes, key, signature);
  } catch {
    return false;
  }
}
