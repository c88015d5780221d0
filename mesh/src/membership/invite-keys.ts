import { hkdfSync, randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Keypair } from "sidewire";
import { keypairFromSeed } from "../pair.js";
import { sharedSecretOf } from "../wireguard-key.js";

/** The length of an invitation's secret in bytes. */
export const SECRET_BYTES = 16;
export const NONCE_BYTES = 24;

/** The key pair of the broker address where the admin's host listens for owners of the token. */
export function meetingPlaceOf(secret: Uint8Array): Keypair {
  return keypairFromSeed(derive(secret, "sidewire-mesh invite 1", [], 48));
}

/** The keys that both sides of a join seal with, one for each direction; 32 bytes each. */
export interface JoinKeys {
  readonly request: Uint8Array;
  readonly answer: Uint8Array;
}

/**
 * Derives the keys from the token's secret and the X25519 secret of both WireGuard keys. A finder of the token can pose
 * as another newcomer with its own key. But it cannot pose as the admin, and nobody can pose as the owner of another
 * key.
 * @throws {@link MeshError} `INVALID_KEY`, `LOW_ORDER_KEY`
 */
export function joinKeysOf(
  secret: Uint8Array,
  privateKey: Uint8Array,
  publicKey: Uint8Array,
  newcomer: Uint8Array,
  admin: Uint8Array,
): JoinKeys {
  const shared = Buffer.concat([sharedSecretOf(privateKey, publicKey), secret]);
  const keys = derive(shared, "sidewire-mesh join 1", [newcomer, admin], 64);
  return { request: keys.subarray(0, 32), answer: keys.subarray(32) };
}

export function sealWith(
  key: Uint8Array,
  nonce: Uint8Array,
  bytes: Uint8Array,
  bound: Uint8Array,
): Uint8Array {
  return xchacha20poly1305(key, nonce, bound).encrypt(bytes);
}

/** @returns undefined for bytes that were not sealed in this way */
export function openWith(
  key: Uint8Array,
  nonce: Uint8Array,
  sealed: Uint8Array,
  bound: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(key, nonce, bound).decrypt(sealed);
  } catch {
    return undefined;
  }
}

export function newNonce(): Uint8Array {
  return new Uint8Array(randomBytes(NONCE_BYTES));
}

function derive(key: Uint8Array, salt: string, info: readonly Uint8Array[], length: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, Buffer.concat(info), length));
}
