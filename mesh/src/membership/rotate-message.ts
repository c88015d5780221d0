import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { isSignedBy, SIGNATURE_BYTES, type SigningKey } from "../roster/signing-key.js";
import { NETWORK_ID_BYTES } from "../roster/statement.js";
import { KEY_BYTES, sharedSecretOf } from "../wireguard-key.js";

/**
 * The answers to a request for a new key: it was given; the asked host is no admin; it does not know the member; the
 * member's old key was removed; the old key has another successor; the new key is or was used; the request does not
 * prove both keys; the member has had too many keys; the roster is full.
 */
export const ROTATE_ANSWERS = [
  "done",
  "no-admin",
  "no-member",
  "removed",
  "replaced",
  "taken",
  "unproven",
  "too-many",
  "full",
] as const;

export type RotateAnswer = (typeof ROTATE_ANSWERS)[number];

/** The keys of a request: WireGuard keys, 32 bytes each. */
export interface Exchange {
  /** The network's id. */
  readonly network: Uint8Array;
  /** The member's current key. */
  readonly before: Uint8Array;
  /** The member's new key. */
  readonly next: Uint8Array;
  readonly admin: Uint8Array;
}

/** A message about a new key, not proven yet. */
export type RotateMessage =
  | { readonly type: "request"; readonly network: Uint8Array; readonly next: Uint8Array }
  | {
      readonly type: "answer";
      readonly network: Uint8Array;
      readonly next: Uint8Array;
      readonly answer: RotateAnswer;
    };

/** The first byte. Announces, messages about relays and messages about rosters have other values. */
const KIND = 4;
const Type = { Request: 1, Answer: 2 } as const;
const HEAD_BYTES: number = 2 + NETWORK_ID_BYTES + KEY_BYTES;
const MAC_BYTES = 32;
const REQUEST_BYTES: number = HEAD_BYTES + SIGNATURE_BYTES + MAC_BYTES;
const CONTEXT = "sidewire-mesh rotate 1";

/** Whether a message is about a member's new key. */
export function isRotateMessage(bytes: Uint8Array): boolean {
  return bytes[0] === KIND;
}

/**
 * Writes `kind 1, type 1, network 16, new key 32, signature 64, MAC 32`. The member's signing key makes the signature,
 * so an owner of only the WireGuard key cannot ask. The MAC proves the new key: its key comes from X25519 of the new
 * key and the admin's key. The channel of the message proves the old key.
 * @param nextPrivateKey - the private key of {@link Exchange.next}
 */
export function writeRotateRequest(
  exchange: Exchange,
  nextPrivateKey: Uint8Array,
  signer: SigningKey,
): Uint8Array {
  const head = headOf(Type.Request, exchange);
  const body = Buffer.concat([head, signer.sign(signedOf(exchange))]);
  const mac = macOf(exchange, sharedSecretOf(nextPrivateKey, exchange.admin), body);
  return new Uint8Array(Buffer.concat([body, mac]));
}

/** Writes `kind 1, type 1, network 16, new key 32, answer 1`. */
export function writeRotateAnswer(
  exchange: Pick<Exchange, "network" | "next">,
  answer: RotateAnswer,
): Uint8Array {
  const code = Uint8Array.of(ROTATE_ANSWERS.indexOf(answer));
  return new Uint8Array(Buffer.concat([headOf(Type.Answer, exchange), code]));
}

/** @returns undefined for bytes that are not such a message */
export function readRotateMessage(bytes: Uint8Array): RotateMessage | undefined {
  if (!isRotateMessage(bytes)) return undefined;
  const network = bytes.slice(2, 2 + NETWORK_ID_BYTES);
  const next = bytes.slice(2 + NETWORK_ID_BYTES, HEAD_BYTES);
  if (bytes[1] === Type.Request && bytes.length === REQUEST_BYTES) return { type: "request", network, next };
  const answer = ROTATE_ANSWERS[bytes[HEAD_BYTES] ?? 0xff];
  if (bytes[1] !== Type.Answer || bytes.length !== HEAD_BYTES + 1 || answer === undefined) return undefined;
  return { type: "answer", network, next, answer };
}

/**
 * Whether a request proves that its sender has the new key and the member's signing key, and is meant for this admin.
 * @param request - bytes that {@link readRotateMessage} accepts as a request
 * @param adminPrivateKey - the private key of {@link Exchange.admin}
 * @param signer - the member's signing key, 32 bytes
 */
export function provesBoth(
  exchange: Exchange,
  request: Uint8Array,
  adminPrivateKey: Uint8Array,
  signer: Uint8Array,
): boolean {
  let secret: Uint8Array;
  try {
    secret = sharedSecretOf(adminPrivateKey, exchange.next);
  } catch {
    // Nobody can own a key of low order.
    return false;
  }
  const body = request.subarray(0, REQUEST_BYTES - MAC_BYTES);
  const mac = request.subarray(REQUEST_BYTES - MAC_BYTES);
  if (mac.length !== MAC_BYTES || !timingSafeEqual(macOf(exchange, secret, body), mac)) return false;
  return isSignedBy(signer, signedOf(exchange), body.subarray(HEAD_BYTES));
}

function headOf(type: number, { network, next }: Pick<Exchange, "network" | "next">): Buffer {
  return Buffer.concat([Uint8Array.of(KIND, type), network, next]);
}

function signedOf({ network, before, next, admin }: Exchange): Buffer {
  return Buffer.concat([Buffer.from(CONTEXT), network, before, next, admin]);
}

function macOf({ network, before, next, admin }: Exchange, secret: Uint8Array, body: Uint8Array): Uint8Array {
  const info = Buffer.concat([network, before, next, admin]);
  const key = new Uint8Array(hkdfSync("sha256", secret, CONTEXT, info, 32));
  return new Uint8Array(createHmac("sha256", key).update(body).digest());
}
