import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { Point, utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { check, got, viewOf } from "../base/schema.js";
import type { Ecdh, Sign } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES, readAddress } from "./address.js";

/** The length of a signature in bytes: r, then s. */
export const SIGNATURE_BYTES = 64;

/**
 * The identity of a router: a public key, and a function that signs with its secret key. {@link Keypair} is an identity
 * in memory. Any object of this shape is an identity as well, for instance one that asks an agent or a hardware token.
 */
export interface Identity {
  /** The compressed secp256k1 public key, 33 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * Signs the SHA-1 digest of `part` by ECDSA.
   * @returns 64 bytes: r, then s, big-endian
   */
  sign(part: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * ECDH with another public key (33 bytes). Only opening sealed messages needs this method. The method may throw or
   * reject for bytes that are not a public key.
   * @returns the x coordinate of the shared point, 32 bytes
   */
  sharedSecret?(publicKey: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * Returns the identity whose secret key is the own secret key plus a number, modulo n. Only pairwise addresses need
   * this method.
   * @param tweak - the number: 32 bytes, big-endian, from 1 to n - 1
   */
  tweaked?(tweak: Uint8Array): Identity | Promise<Identity>;
}

/**
 * A secp256k1 key pair in memory. Printing or serialising the pair shows only the public key.
 *
 * @example
 * ```ts
 * const keys = Keypair.generate();
 * const same = Keypair.fromSecretKey(keys.secretKey);
 * console.log(same.publicKeyHex === keys.publicKeyHex); // true
 * ```
 */
export class Keypair implements Identity {
  /** The compressed public key, 33 bytes. */
  readonly publicKey: Uint8Array;
  /** The public key as 66 lower-case hex characters. This is the peer's address. */
  readonly publicKeyHex: string;
  readonly #secretKey: Uint8Array;
  readonly #sign: Sign;
  readonly #ecdh: Ecdh;

  private constructor(secretKey: Uint8Array) {
    this.#secretKey = secretKey;
    this.#ecdh = platform.createEcdh(secretKey);
    this.publicKey = this.#ecdh.publicKey;
    this.publicKeyHex = bytesToHex(this.publicKey);
    this.#sign = platform.createSign(secretKey);
  }

  /** Creates a random key pair. */
  static generate(): Keypair {
    return new Keypair(utils.randomSecretKey());
  }

  /**
   * Creates the key pair of an existing secret key.
   * @param secretKey - 32 bytes, or 64 hex characters
   * @throws {@link InvalidInputError} `INVALID_KEY` when the key is not a number from 1 to n - 1, where n is the order
   * of the curve
   */
  static fromSecretKey(secretKey: string | Uint8Array): Keypair {
    const bytes = typeof secretKey === "string" ? bytesFromHex(secretKey) : viewOf(secretKey)?.slice();
    // The error must not contain the value: it may be a secret key with a typo.
    check(
      bytes !== undefined && utils.isValidSecretKey(bytes),
      "INVALID_KEY",
      "secretKey",
      "32 bytes or 64 hex characters, 1 to n - 1",
    );
    return new Keypair(bytes);
  }

  /** A copy of the secret key, 32 bytes. Keep it safe. */
  get secretKey(): Uint8Array {
    return this.#secretKey.slice();
  }

  /**
   * Signs the SHA-1 digest of `part`.
   * @returns 64 bytes: r, then s, big-endian
   */
  sign(part: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return this.#sign(viewOf(part) ?? part);
  }

  /**
   * ECDH with another public key (33 bytes).
   * @returns the x coordinate of the shared point, 32 bytes
   * @throws an error when the bytes are not a public key
   */
  sharedSecret(publicKey: Uint8Array): Uint8Array {
    return this.#ecdh.sharedSecret(viewOf(publicKey) ?? publicKey);
  }

  /**
   * Returns the key pair whose secret key is the own secret key plus a number, modulo n. `pairwise` uses this method.
   * @param tweak - the number: 32 bytes, big-endian, from 1 to n - 1
   * @throws {@link InvalidInputError} `INVALID_KEY` for any other number, or if the sum is 0
   */
  tweaked(tweak: Uint8Array): Keypair {
    const bytes = viewOf(tweak);
    check(
      bytes !== undefined && utils.isValidSecretKey(bytes),
      "INVALID_KEY",
      "tweak",
      "32 bytes, 1 to n - 1",
    );
    const sum = (numberOf(this.#secretKey) + numberOf(bytes)) % Point.CURVE().n;
    return Keypair.fromSecretKey(sum.toString(16).padStart(64, "0"));
  }

  /** The public key only, for `JSON.stringify`. */
  toJSON(): { publicKey: string } {
    return { publicKey: this.publicKeyHex };
  }
}

/**
 * Converts an address to the form that the API uses: 66 lower-case hex characters.
 *
 * @param address - in hex, upper or lower case, or in bech32m as {@link formatAddress} returns it
 * @param path - the name of the value, for the error
 * @throws {@link InvalidInputError} `INVALID_ADDRESS` when the address is mistyped or is not a point on the curve
 *
 * @example
 * ```ts
 * const friends = new Set([parseAddress(address)]);
 * const router = new Router(keys, { getTime: Date.now, accept: (from) => friends.has(from) });
 * ```
 */
export function parseAddress(address: string, path = "address"): string {
  const hex = readAddress(address, path);
  check(
    isPublicKey(hexToBytes(hex)),
    "INVALID_ADDRESS",
    path,
    "a point on the curve secp256k1",
    got(address),
  );
  return hex;
}

/**
 * Checks the identity that a caller passes.
 * @returns the identity's address
 * @throws {@link InvalidInputError} `INVALID_KEY`
 */
export function identityAddress(identity: Identity): string {
  // The public key of a Keypair was computed from a secret key, so it needs no check. The check would take 0.1 ms.
  if (identity instanceof Keypair) return identity.publicKeyHex;
  const { publicKey, sign }: Partial<Identity> = Object(identity);
  const bytes = viewOf(publicKey);
  check(
    bytes !== undefined && isPublicKey(bytes),
    "INVALID_KEY",
    "identity.publicKey",
    "a compressed public key of 33 bytes",
  );
  check(typeof sign === "function", "INVALID_KEY", "identity.sign", "a function");
  return bytesToHex(bytes);
}

function isPublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== PUBLIC_KEY_BYTES) return false;
  try {
    Point.fromBytes(bytes);
    return true;
  } catch {
    return false;
  }
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(bytes)}`);
}

function bytesFromHex(text: string): Uint8Array | undefined {
  try {
    return hexToBytes(text);
  } catch {
    return undefined;
  }
}
