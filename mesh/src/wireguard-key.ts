import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject, randomBytes } from "node:crypto";
import { MeshError } from "./errors.js";

/** The length of a WireGuard key, public or private, in bytes: X25519 (RFC 7748). */
export const KEY_BYTES = 32;

/** The DER bytes before the 32 bytes of an X25519 key (RFC 8410). */
const PKCS8_HEAD: Buffer = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_HEAD: Buffer = Buffer.from("302a300506032b656e032100", "hex");

/**
 * Reads a key in base64, as `wg` writes it: 44 characters in canonical spelling.
 * @param path - the name of the value, for the error. The error never shows the text itself: it may be a private key
 * with a typo
 * @throws {@link MeshError} `INVALID_KEY`
 */
export function parseKey(text: string, path = "key"): Uint8Array {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length !== KEY_BYTES || bytes.toString("base64") !== text)
    throw new MeshError(
      "INVALID_KEY",
      `${path}: 44 characters of base64 are expected, as \`wg genkey\` writes them`,
    );
  return new Uint8Array(bytes);
}

/** A key in the form of `wg`. */
export function formatKey(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64");
}

/**
 * The public key of a private key.
 * @throws {@link MeshError} `INVALID_KEY` when the key does not have 32 bytes
 */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const spki = createPublicKey(privateObject(privateKey)).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(SPKI_HEAD.length));
}

/**
 * X25519 of the own private key and the other peer's public key.
 * @throws {@link MeshError} `INVALID_KEY`; `LOW_ORDER_KEY` when the result would be all zeros (RFC 7748, section 6.1)
 */
export function sharedSecretOf(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  checkKey(publicKey, "publicKey");
  const ours = privateObject(privateKey);
  const theirs = createPublicKey({ key: Buffer.concat([SPKI_HEAD, publicKey]), format: "der", type: "spki" });
  let secret: Uint8Array | undefined;
  try {
    secret = new Uint8Array(diffieHellman({ privateKey: ours, publicKey: theirs }));
  } catch {
    // OpenSSL refuses to derive from a key of low order.
  }
  if (secret === undefined || secret.every((byte) => byte === 0))
    throw new MeshError(
      "LOW_ORDER_KEY",
      "publicKey: a key of low order, with which nobody can share a secret",
    );
  return secret;
}

/**
 * Makes a private key. The bits that X25519 ignores are cleared or set (RFC 7748, section 5), so that the text of the
 * key is the same everywhere.
 */
export function newPrivateKey(): Uint8Array {
  const key = new Uint8Array(randomBytes(KEY_BYTES));
  const [first = 0, last = 0] = [key[0], key[KEY_BYTES - 1]];
  key[0] = first & 248;
  key[KEY_BYTES - 1] = (last & 127) | 64;
  return key;
}

/** @throws {@link MeshError} `INVALID_KEY` */
export function checkKey(key: unknown, path: string): asserts key is Uint8Array {
  if (!(key instanceof Uint8Array) || key.length !== KEY_BYTES)
    throw new MeshError("INVALID_KEY", `${path}: ${KEY_BYTES} bytes are expected`);
}

function privateObject(key: Uint8Array): KeyObject {
  checkKey(key, "privateKey");
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, key]), format: "der", type: "pkcs8" });
}
