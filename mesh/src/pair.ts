import { hkdfSync } from "node:crypto";
import { Keypair } from "sidewire";
import { checkKey, publicKeyOf, sharedSecretOf } from "./wireguard-key.js";

/** The order n of secp256k1 (SEC 2, section 2.4.1). */
const ORDER = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;

/** What two WireGuard peers know of each other and nobody else knows. */
export interface Pair {
  /** The secp256k1 secret key that the owner of the private key uses towards the other peer; 32 bytes. */
  readonly secretKey: Uint8Array;
  /** The address where the owner listens for the other peer: the address of {@link secretKey}; 33 bytes. */
  readonly ownAddress: Uint8Array;
  /** The address where the other peer listens for the owner; 33 bytes. */
  readonly remoteAddress: Uint8Array;
  /** Authenticates probes between the two peers; 32 bytes. */
  readonly probeKey: Uint8Array;
  /** Seals messages that the two peers send each other over a working path; 32 bytes. */
  readonly announceKey: Uint8Array;
}

/**
 * Derives what two WireGuard peers share, from one's private key and the other's public key. The other peer derives the
 * same, with the two addresses swapped.
 *
 * An all-zero shared secret is refused. Everything else is HKDF-SHA256 (RFC 5869). A seed of 48 bytes modulo n - 1
 * gives a secret key without noticeable bias (NIST SP 800-56A Rev. 3, section 5.6.1.2.1).
 *
 * @param privateKey - the own WireGuard private key, 32 bytes
 * @param publicKey - the other peer's WireGuard public key, 32 bytes
 * @throws {@link MeshError} `INVALID_KEY`, `LOW_ORDER_KEY`
 *
 * @example
 * ```ts
 * const { ownAddress, remoteAddress } = pairOf(privateKey, publicKey);
 * ```
 */
export function pairOf(privateKey: Uint8Array, publicKey: Uint8Array): Pair {
  checkKey(privateKey, "privateKey");
  checkKey(publicKey, "publicKey");
  const own = publicKeyOf(privateKey);
  const secret = sharedSecretOf(privateKey, publicKey);
  const [lower, higher] = Buffer.compare(own, publicKey) <= 0 ? [own, publicKey] : [publicKey, own];
  const pair = derive(secret, "sidewire-mesh pair 1", [lower, higher], 32);
  const speaking = keypairOf(pair, own, publicKey);
  return {
    secretKey: speaking.secretKey,
    ownAddress: speaking.publicKey,
    remoteAddress: keypairOf(pair, publicKey, own).publicKey,
    probeKey: derive(pair, "sidewire-mesh probe 1", [], 32),
    announceKey: derive(pair, "sidewire-mesh announce 1", [], 32),
  };
}

/** The key pair that `from` uses towards `to`. */
function keypairOf(pair: Uint8Array, from: Uint8Array, to: Uint8Array): Keypair {
  return keypairFromSeed(derive(pair, "sidewire-mesh address 1", [from, to], 48));
}

/** The key pair of a seed of 48 unpredictable bytes. The seed is reduced modulo n - 1, without noticeable bias. */
export function keypairFromSeed(seed: Uint8Array): Keypair {
  const secret = (BigInt(`0x${Buffer.from(seed).toString("hex")}`) % (ORDER - 1n)) + 1n;
  return Keypair.fromSecretKey(secret.toString(16).padStart(64, "0"));
}

function derive(key: Uint8Array, salt: string, info: readonly Uint8Array[], length: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", key, salt, Buffer.concat(info), length));
}
