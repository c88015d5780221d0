import { isName, MAX_NAME_LENGTH } from "../roster/member-name.js";
import { isSignedBy, SIGNATURE_BYTES, type SigningKey } from "../roster/signing-key.js";
import { MAX_STATEMENT_BYTES } from "../roster/statement.js";
import { KEY_BYTES } from "../wireguard-key.js";
import { type JoinKeys, NONCE_BYTES, newNonce, openWith, sealWith } from "./invite-keys.js";

/** A newcomer's request. */
export interface JoinRequest {
  /** The name that the newcomer wants. */
  readonly name: string;
  /** Whether a person chose the name, and accepts no other one. */
  readonly isNameFixed: boolean;
  /** The newcomer's signing key, 32 bytes. */
  readonly signer: Uint8Array;
}

/**
 * The answers: the newcomer is a member; it waits for an admin's approval; the token was used up; the token has
 * expired; the name is taken; the newcomer's key was removed; the network is full; the inviting host is no admin any
 * more.
 */
export const JOIN_ANSWERS = [
  "member",
  "waiting",
  "used",
  "expired",
  "name-taken",
  "removed",
  "full",
  "no-admin",
] as const;

export type JoinAnswer = (typeof JOIN_ANSWERS)[number];

/** One part of an answer. All parts together contain all statements of the network. */
export interface JoinPart {
  readonly answer: JoinAnswer;
  readonly part: number;
  readonly parts: number;
  readonly statements: readonly Uint8Array[];
}

const VERSION = 1;
const HEAD_BYTES: number = 1 + KEY_BYTES;
const SEAL_BYTES = 16;
/** The number of sealed bytes before the name. */
const FIXED_BYTES: number = SIGNATURE_BYTES + KEY_BYTES + 1;
const CONTEXT: Buffer = Buffer.from("sidewire-mesh join 1");

/** The maximum length of a part. Brokers commonly accept 64 KB. */
const PART_BYTES = 32_768;
/** The maximum number of parts, enough for all statements of a network. */
const MAX_PARTS = 1024;

/**
 * Writes `version 1, WireGuard key 32, nonce 24`, sealed: `signature 64, signer 32, is the name fixed 1, name`. The
 * signer signs the newcomer's WireGuard key and everything after the signature. Everybody knows the signing keys of
 * admins. Without the signature a newcomer could send an admin's key as its own, and be taken for that admin.
 */
export function writeJoinRequest(
  keys: JoinKeys,
  newcomer: Uint8Array,
  { name, isNameFixed }: Omit<JoinRequest, "signer">,
  signer: Pick<SigningKey, "publicKey" | "sign">,
): Uint8Array {
  const head = Buffer.concat([Uint8Array.of(VERSION), newcomer]);
  const nonce = newNonce();
  const said = Buffer.concat([signer.publicKey, Uint8Array.of(Number(isNameFixed)), Buffer.from(name)]);
  const body = Buffer.concat([signer.sign(Buffer.concat([CONTEXT, newcomer, said])), said]);
  return new Uint8Array(Buffer.concat([head, nonce, sealWith(keys.request, nonce, body, head)]));
}

/** The WireGuard key in a request, 32 bytes, not proven yet; undefined for bytes that are not a request. */
export function newcomerOf(bytes: Uint8Array): Uint8Array | undefined {
  const longest = HEAD_BYTES + NONCE_BYTES + SEAL_BYTES + FIXED_BYTES + MAX_NAME_LENGTH;
  if (bytes[0] !== VERSION || bytes.length < HEAD_BYTES + NONCE_BYTES + SEAL_BYTES) return undefined;
  return bytes.length > longest ? undefined : bytes.slice(1, HEAD_BYTES);
}

/** Opens a request; undefined when its sender does not have both secrets, or the signer did not sign it. */
export function readJoinRequest(keys: JoinKeys, bytes: Uint8Array): JoinRequest | undefined {
  const nonce = bytes.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
  const sealed = bytes.subarray(HEAD_BYTES + NONCE_BYTES);
  const body = openWith(keys.request, nonce, sealed, bytes.subarray(0, HEAD_BYTES));
  if (body === undefined || body.length <= FIXED_BYTES) return undefined;
  const said = body.subarray(SIGNATURE_BYTES);
  const signer = said.slice(0, KEY_BYTES);
  const name = Buffer.from(body.subarray(FIXED_BYTES)).toString("latin1");
  const signed = Buffer.concat([CONTEXT, bytes.subarray(1, HEAD_BYTES), said]);
  if (!isName(name) || !isSignedBy(signer, signed, body.subarray(0, SIGNATURE_BYTES))) return undefined;
  return { signer, isNameFixed: said[KEY_BYTES] === 1, name };
}

/**
 * Writes `nonce 24`, sealed: `answer 1, part 2, parts 2`, and statements, each after its length in 2 bytes. The seal is
 * bound to the request.
 */
export function writeJoinAnswer(
  keys: JoinKeys,
  request: Uint8Array,
  answer: JoinAnswer,
  statements: readonly Uint8Array[],
): Uint8Array[] {
  const groups: Uint8Array[][] = [[]];
  let room = PART_BYTES;
  for (const statement of statements) {
    if (room < statement.length + 2) {
      groups.push([]);
      room = PART_BYTES;
    }
    room -= statement.length + 2;
    groups.at(-1)?.push(statement);
  }
  return groups.map((group, i) => {
    const head = Buffer.alloc(5);
    head[0] = JOIN_ANSWERS.indexOf(answer);
    head.writeUInt16BE(i, 1);
    head.writeUInt16BE(groups.length, 3);
    const nonce = newNonce();
    const body = Buffer.concat([head, ...group.flatMap(withLength)]);
    return new Uint8Array(Buffer.concat([nonce, sealWith(keys.answer, nonce, body, nonceOf(request))]));
  });
}

/** Opens a part of an answer; undefined for bytes that do not answer this request. */
export function readJoinAnswer(keys: JoinKeys, request: Uint8Array, bytes: Uint8Array): JoinPart | undefined {
  const nonce = bytes.subarray(0, NONCE_BYTES);
  if (bytes.length < NONCE_BYTES + SEAL_BYTES + 5) return undefined;
  const body = openWith(keys.answer, nonce, bytes.subarray(NONCE_BYTES), nonceOf(request));
  if (body === undefined) return undefined;
  const view = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const answer = JOIN_ANSWERS[view[0] ?? 0xff];
  const statements = readStatements(body.subarray(5));
  const [part, parts] = [view.readUInt16BE(1), view.readUInt16BE(3)];
  if (answer === undefined || statements === undefined || part >= parts || parts > MAX_PARTS)
    return undefined;
  return { answer, part, parts, statements };
}

/** A statement after its length in 2 bytes. */
export function withLength(statement: Uint8Array): [Uint8Array, Uint8Array] {
  return [Uint8Array.of(statement.length >> 8, statement.length), statement];
}

/** @returns undefined when the bytes are cut off, or a statement is too long */
export function readStatements(bytes: Uint8Array): Uint8Array[] | undefined {
  const statements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
    const end = at + 2 + length;
    if (length === 0 || length > MAX_STATEMENT_BYTES || end > bytes.length) return undefined;
    statements.push(bytes.slice(at + 2, end));
    at = end;
  }
  return statements;
}

function nonceOf(request: Uint8Array): Uint8Array {
  return request.subarray(HEAD_BYTES, HEAD_BYTES + NONCE_BYTES);
}
