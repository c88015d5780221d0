/** @module sidewire/libsecp256k1 */

import { instantiateSecp256k1, type Secp256k1 } from "@bitauth/libauth";
import { sha1 } from "@noble/hashes/legacy.js";
import { bytesToHex, randomBytes } from "@noble/hashes/utils.js";
import { BoundedMap } from "./base/bounded-map.js";
import type { Verify } from "./platform/platform.js";
// Only types are imported, because this file is the same for Node and for pages.
import type { Identity, Keypair } from "./wire/identity.js";

/** libsecp256k1 expects numbers of 32 bytes, so zeros are put before a SHA-1 digest. */
const NUMBER_BYTES = 32;

const SIGNATURE_BYTES = 64;
const PUBLIC_KEY_BYTES = 33;

/**
 * The number of public keys that are kept as decompressed points. Decompressing takes a twentieth of the time of a
 * check.
 */
const KEPT_POINTS = 1024;

/** An identity that signs with libsecp256k1, and a function that verifies with it. */
export interface FastIdentity extends Identity {
  /** Verifies signatures with libsecp256k1. Pass this function as the router's option `verify`. */
  readonly verify: Verify;
  sharedSecret(publicKey: Uint8Array): Uint8Array;
}

/** Compiled once for all identities; the module stores no key. */
let compiling: Promise<Secp256k1> | undefined;

/**
 * Signatures by libsecp256k1, compiled to WebAssembly. Use it in pages, where the built-in verification takes ten times
 * as long, and on servers with many messages.
 *
 * The function needs `@bitauth/libauth`, an optional peer dependency: `npm install @bitauth/libauth`. That package adds
 * 120 KB to a page, gzipped. The work is done on the calling thread.
 *
 * @param keys - the key pair that signs
 *
 * @example
 * ```ts
 * import { Keypair, Router } from "sidewire";
 * import { libsecp256k1 } from "sidewire/libsecp256k1";
 *
 * const keys = await libsecp256k1(Keypair.generate());
 * const router = new Router(keys, { getTime: Date.now, verify: keys.verify });
 * ```
 */
export async function libsecp256k1(keys: Keypair): Promise<FastIdentity> {
  // The random seed blinds the calculations, so that an observer of the processor learns nothing about a key.
  compiling ??= instantiateSecp256k1(randomBytes(NUMBER_BYTES));
  const secp256k1 = await compiling;
  const { publicKey, secretKey } = keys;
  const points = new BoundedMap<string, Uint8Array>(KEPT_POINTS);
  const pointOf = (other: Uint8Array): Uint8Array | undefined => {
    const id = bytesToHex(other);
    const known = points.get(id);
    if (known !== undefined) return known;
    const point = secp256k1.uncompressPublicKey(other);
    // For an invalid key the package returns the problem as text.
    if (typeof point === "string") return undefined;
    points.set(id, point);
    return point;
  };
  return {
    publicKey,
    sign: (part) => taken(secp256k1.signMessageHashCompact(secretKey, digestOf(part))),
    // The x coordinate of the shared point, without the byte for the sign of y.
    sharedSecret: (other) => taken(secp256k1.mulTweakPublicKeyCompressed(other, secretKey)).slice(1),
    verify: (signature, part, other) => {
      if (signature.length !== SIGNATURE_BYTES || other.length !== PUBLIC_KEY_BYTES) return false;
      const point = pointOf(other);
      return point !== undefined && secp256k1.verifySignatureCompact(signature, point, digestOf(part));
    },
  };
}

function digestOf(part: Uint8Array): Uint8Array {
  const digest = new Uint8Array(NUMBER_BYTES);
  digest.set(sha1(part), NUMBER_BYTES - sha1.outputLen);
  return digest;
}

/** The package returns an error as text. */
function taken(result: Uint8Array | string): Uint8Array {
  if (typeof result === "string") throw new Error(result);
  return result;
}
