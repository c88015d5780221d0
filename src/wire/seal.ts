import { concatBytes, createView, hexToBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { viewOf } from "../base/schema.js";
import type { Cipher } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "./address.js";
import { type Identity, Keypair } from "./identity.js";

/**
 * What a sealed message starts with: a byte that no UTF-8 text contains, "SW", and the format's version.
 */
const MARKER: Uint8Array = Uint8Array.of(0xff, 0x53, 0x57, 1);

/** Binds the derived keys to this use of them. */
const INFO: Uint8Array = utf8ToBytes("sidewire seal 1");
const EPHEMERAL_INFO: Uint8Array = utf8ToBytes("sidewire ephemeral 1");

const KEY_BYTES = 32;
/** Half as many again as a key has: reduced to one, they leave no bias (FIPS 186-5, A.4.1). */
const EPHEMERAL_SEED_BYTES = 48;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const LENGTH_BYTES = 4;

/** Everything shorter looks alike. */
const MIN_PADDED = 256;

const HEAD_BYTES: number = MARKER.length + PUBLIC_KEY_BYTES;

/** Where a sealed message belongs: cut out and sent in another packet, it does not open. */
export interface SealContext {
  /** Addresses, 66 hex characters. */
  readonly source: string;
  readonly destination: string;
  /** 64 hex characters. */
  readonly queueId: string;
  readonly sequence: number;
}

/** Whether these bytes are a sealed message, to be opened rather than read. */
export function isSealed(message: Uint8Array): boolean {
  return MARKER.every((byte, i) => message[i] === byte);
}

/** How long a message is once it is sealed. */
export function sealedLength(length: number): number {
  return HEAD_BYTES + padded(LENGTH_BYTES + length) + TAG_BYTES;
}

/**
 * Encrypts a message so that only its destination can read it: ECDH between an ephemeral key and the
 * destination's, HKDF-SHA-256, XChaCha20-Poly1305. `docs/protocol.md` has the format.
 *
 * @param ephemeralKey - a secret key never used before or again; by default one of random bytes, message and context
 */
export function seal(
  message: Uint8Array,
  context: SealContext,
  ephemeralKey: Uint8Array = makeEphemeralKey(message, context),
): Uint8Array {
  const destination = hexToBytes(context.destination);
  const { publicKey, sharedSecret } = platform.createEcdh(ephemeralKey);
  const plain = new Uint8Array(padded(LENGTH_BYTES + message.length));
  createView(plain).setUint32(0, message.length);
  plain.set(message, LENGTH_BYTES);
  const shared = sharedSecret(destination);
  return concatBytes(MARKER, publicKey, cipher(shared, publicKey, destination, context).encrypt(plain));
}

/**
 * Opens what {@link seal} made.
 * @returns the message; undefined when it was not sealed for this identity and this very packet, was
 * changed on its way, or the identity cannot open anything
 */
export async function open(
  sealed: Uint8Array,
  context: SealContext,
  identity: Identity,
): Promise<Uint8Array | undefined> {
  const opened = await tryToOpen(sealed, context, identity);
  return opened === "never" ? undefined : opened;
}

/** As {@link open}, and tells what will never open from what may, once the identity can: an agent may be locked. */
export async function tryToOpen(
  sealed: Uint8Array,
  context: SealContext,
  identity: Identity,
): Promise<Uint8Array | "never" | undefined> {
  if (!isSealed(sealed) || sealed.length < sealedLength(0)) return "never";
  const ephemeral = sealed.subarray(MARKER.length, HEAD_BYTES);
  // What an identity fails with may be over the next time; a key pair fails for what is no point.
  let isFinal = identity instanceof Keypair;
  try {
    const shared = viewOf(await identity.sharedSecret?.(ephemeral));
    if (!shared) return undefined;
    isFinal = true;
    const destination = hexToBytes(context.destination);
    const plain = cipher(shared, ephemeral, destination, context).decrypt(sealed.subarray(HEAD_BYTES));
    const length = createView(plain).getUint32(0);
    return length <= plain.length - LENGTH_BYTES ? plain.slice(LENGTH_BYTES, LENGTH_BYTES + length) : "never";
  } catch {
    // No point on the curve, or not what the tag vouches for.
    return isFinal ? "never" : undefined;
  }
}

function cipher(
  shared: Uint8Array,
  ephemeral: Uint8Array,
  destination: Uint8Array,
  context: SealContext,
): Cipher {
  const derived = platform.hkdf(shared, concatBytes(ephemeral, destination), INFO, KEY_BYTES + NONCE_BYTES);
  return platform.createCipher(
    derived.subarray(0, KEY_BYTES),
    derived.subarray(KEY_BYTES),
    associatedOf(destination, context),
  );
}

/** What is authenticated with a message. */
function associatedOf(destination: Uint8Array, { source, queueId, sequence }: SealContext): Uint8Array {
  const place = new Uint8Array(4);
  createView(place).setUint32(0, sequence);
  return concatBytes(hexToBytes(source), destination, hexToBytes(queueId), place);
}

/**
 * A key that no other message gets, also where random bytes come twice, as after a virtual machine was set back to
 * an earlier state: the message and its place are mixed in.
 */
export function makeEphemeralKey(message: Uint8Array, context: SealContext): Uint8Array {
  const secret = concatBytes(randomBytes(KEY_BYTES), message);
  const place = associatedOf(hexToBytes(context.destination), context);
  return utils.randomSecretKey(platform.hkdf(secret, place, EPHEMERAL_INFO, EPHEMERAL_SEED_BYTES));
}

/**
 * A length that tells little of the one that was there: Padmé (Nikitin et al., "Reducing Metadata
 * Leakage from Encrypted Files and Communication with PURBs", 2019), at most 12 % longer.
 */
function padded(length: number): number {
  if (length <= MIN_PADDED) return MIN_PADDED;
  const exponent = Math.floor(Math.log2(length));
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  return Math.ceil(length / step) * step;
}
