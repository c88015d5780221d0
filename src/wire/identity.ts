import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { Point, utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { check, got, viewOf } from "../base/schema.js";
import type { Ecdh, Sign } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES, readAddress } from "./address.js";

/** Bytes of a signature: r then s. */
export const SIGNATURE_BYTES = 64;

/**
 * Who a router is: a public key, and something that signs for it. {@link Keypair} is one; so is any
 * object of this shape, for instance in front of a key that lives in an agent or a token.
 */
export interface Identity {
  /** The compressed secp256k1 public key, 33 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * An ECDSA signature over the SHA-1 digest of `part`.
   * @returns 64 bytes, r then s, big-endian
   */
  sign(part: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /**
   * ECDH with another public key (33 bytes), needed to open sealed messages and for nothing else.
   * May throw or reject for bytes that are no public key.
   * @returns the x coordinate of the shared point, 32 bytes
   */
  sharedSecret?(publicKey: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/**
 * A secp256k1 key pair held in memory. Printing or serialising it shows the public key only.
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
  /** The public key as 66 lower-case hex characters: this peer's address. */
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

  /** A new random key pair. */
  static generate(): Keypair {
    return new Keypair(utils.randomSecretKey());
  }

  /**
   * The key pair of an existing secret key.
   * @param secretKey - 32 bytes, or 64 hex characters
   * @throws {@link InvalidInputError} `INVALID_KEY` when it is not a number from 1 to n - 1
   */
  static fromSecretKey(secretKey: string | Uint8Array): Keypair {
    const bytes = typeof secretKey === "string" ? bytesFromHex(secretKey) : viewOf(secretKey)?.slice();
    // The value itself must not appear in the error: it may be a secret with a typo in it.
    check(
      bytes !== undefined && utils.isValidSecretKey(bytes),
      "INVALID_KEY",
      "secretKey",
      "32 bytes or 64 hex characters, 1 to n - 1",
    );
    return new Keypair(bytes);
  }

  /** The secret key, 32 bytes: a copy, to be kept safe. */
  get secretKey(): Uint8Array {
    return this.#secretKey.slice();
  }

  /** Signs the SHA-1 digest of `part`: 64 bytes, r then s. */
  sign(part: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return this.#sign(viewOf(part) ?? part);
  }

  /** ECDH with another public key: the x coordinate of the shared point, 32 bytes. */
  sharedSecret(publicKey: Uint8Array): Uint8Array {
    return this.#ecdh.sharedSecret(viewOf(publicKey) ?? publicKey);
  }

  /** The address alone. */
  toJSON(): { publicKey: string } {
    return { publicKey: this.publicKeyHex };
  }
}

/**
 * An address in hex, as the API has it: 66 lower-case characters.
 *
 * @param address - in hex, of either case, or in bech32m as {@link formatAddress} gives it
 * @param path - what the address is called where it came from, for the error
 * @throws {@link InvalidInputError} `INVALID_ADDRESS` when it is no key on the curve, or mistyped
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
 * Checks what a caller passes as its identity.
 * @returns the identity's address
 * @throws {@link InvalidInputError} `INVALID_KEY`
 */
export function identityAddress(identity: Identity): string {
  // Its public key was made from a secret one; looking for it on the curve takes a tenth of a millisecond.
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

function bytesFromHex(text: string): Uint8Array | undefined {
  try {
    return hexToBytes(text);
  } catch {
    return undefined;
  }
}
