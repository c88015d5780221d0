import { hkdfSync, randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Keypair } from "sidewire";
import { keypairFromSeed } from "../pair.js";
import { sharedSecretOf } from "../wireguard-key.js";

/** Bytes of an invitation's secret. */
export const SECRET_BYTES = 16;
export const NONCE_BYTES = 24;

/** Where the admin's host listens for those who have the token: the key pair of an address on the brokers. */
export function meetingPlaceOf(secret: Uint8Array): Keypair {
  return keypairFromSeed(derive(secret, "sidewire-mesh invite 1", [], 48));
}

/** What both sides of a join seal with, one key for each direction; 32 bytes each. */
export interface JoinKeys {
  readonly request: Uint8Array;
  readonly answer: Uint8Array;
}

/**
 * From the token's secret and the X25519 secret of both WireGuard keys: whoever has found the token can pose as another
 * newcomer with a key of his own, but not as the admin, and nobody as the owner of a key that is not his.
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

/** @returns undefined for what was not sealed so */
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
