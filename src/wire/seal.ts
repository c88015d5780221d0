import { concatBytes, createView, hexToBytes, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { viewOf } from "../base/schema.js";
import type { Cipher } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "./address.js";
import { type Identity, Keypair } from "./identity.js";

/** The first bytes of a sealed message: a byte that never occurs in UTF-8, "SW", and the version of the format. */
const MARKER: Uint8Array = Uint8Array.of(0xff, 0x53, 0x57, 1);

/** These texts separate the derived keys from keys for any other use. */
const INFO: Uint8Array = utf8ToBytes("sidewire seal 1");
const EPHEMERAL_INFO: Uint8Array = utf8ToBytes("sidewire ephemeral 1");

const KEY_BYTES = 32;
/** Half as many bytes again as a key has: a number of this size, reduced to a key, has no bias (FIPS 186-5, A.4.1). */
const EPHEMERAL_SEED_BYTES = 48;
const NONCE_BYTES = 24;
const TAG_BYTES = 16;
const LENGTH_BYTES = 4;

/** The shortest padded length: all shorter messages have the same length. */
const MIN_PADDED = 256;

const HEAD_BYTES: number = MARKER.length + PUBLIC_KEY_BYTES;

/** The packet that a sealed message belongs to. A sealed message that is copied into another packet does not open. */
export interface SealContext {
  /** The addresses of both peers: 66 hex characters each. */
  readonly source: string;
  readonly destination: string;
  /** The id of the queue: 64 hex characters. */
  readonly queueId: string;
  readonly sequence: number;
}

/** Whether these bytes are a sealed message, which must be opened before it can be read. */
export function isSealed(message: Uint8Array): boolean {
  return MARKER.every((byte, i) => message[i] === byte);
}

/** The length of a message after sealing, in bytes. */
export function sealedLength(length: number): number {
  return HEAD_BYTES + padded(LENGTH_BYTES + length) + TAG_BYTES;
}

/**
 * Encrypts a message so that only its destination can read it: ECDH between an ephemeral key and the destination's key,
 * HKDF-SHA-256, XChaCha20-Poly1305. `docs/protocol.md` describes the format.
 *
 * @param ephemeralKey - a secret key that is used only once; by default made from random bytes, the message and its
 * context
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
 * Opens a message that {@link seal} made.
 * @returns the message; undefined when it was sealed for another identity or another packet, was changed on its way, or
 * the identity cannot open messages
 */
export async function open(
  sealed: Uint8Array,
  context: SealContext,
  identity: Identity,
): Promise<Uint8Array | undefined> {
  const opened = await tryToOpen(sealed, context, identity);
  return opened === "never" ? undefined : opened;
}

/**
 * The same as {@link open}, but distinguishes two failures. "never" means that the message can never be opened.
 * undefined means that the identity may open it later, for instance when an agent that is locked now is unlocked.
 */
export async function tryToOpen(
  sealed: Uint8Array,
  context: SealContext,
  identity: Identity,
): Promise<Uint8Array | "never" | undefined> {
  if (!isSealed(sealed) || sealed.length < sealedLength(0)) return "never";
  const ephemeral = sealed.subarray(MARKER.length, HEAD_BYTES);
  // An identity may fail now and succeed later. A key pair fails only when the bytes are not a point on the curve.
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
    // Either the ephemeral key is not a point on the curve, or the tag does not match the content.
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

/** The data that is authenticated together with a message. */
function associatedOf(destination: Uint8Array, { source, queueId, sequence }: SealContext): Uint8Array {
  const place = new Uint8Array(4);
  createView(place).setUint32(0, sequence);
  return concatBytes(hexToBytes(source), destination, hexToBytes(queueId), place);
}

/**
 * Makes an ephemeral key that no other message gets. The message and its context are mixed in, because random bytes may
 * repeat, for instance after a virtual machine was restored from a snapshot.
 */
export function makeEphemeralKey(message: Uint8Array, context: SealContext): Uint8Array {
  const secret = concatBytes(randomBytes(KEY_BYTES), message);
  const place = associatedOf(hexToBytes(context.destination), context);
  return utils.randomSecretKey(platform.hkdf(secret, place, EPHEMERAL_INFO, EPHEMERAL_SEED_BYTES));
}

/**
 * Pads a length so that it says little about the original length. The scheme is Padmé (Nikitin et al., "Reducing
 * Metadata Leakage from Encrypted Files and Communication with PURBs", 2019); the padding adds at most 12 %.
 */
function padded(length: number): number {
  if (length <= MIN_PADDED) return MIN_PADDED;
  const exponent = Math.floor(Math.log2(length));
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1);
  return Math.ceil(length / step) * step;
}
