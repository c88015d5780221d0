import { isName, MAX_NAME_LENGTH } from "../roster/member-name.js";
import { isSignedBy, SIGNATURE_BYTES, type SigningKey } from "../roster/signing-key.js";
import { MAX_STATEMENT_BYTES } from "../roster/statement.js";
import { KEY_BYTES } from "../wireguard-key.js";
import { type JoinKeys, NONCE_BYTES, newNonce, openWith, sealWith } from "./invite-keys.js";

/** What a newcomer asks for. */
export interface JoinRequest {
  /** What it wants to be called. */
  readonly name: string;
  /** It was told so by a person, who wants this name or none. */
  readonly isNameFixed: boolean;
  /** The key that it signs by, 32 bytes. */
  readonly signer: Uint8Array;
}

/**
 * What it is answered: it is a member; it waits for an admin's approval; the token was used up; it has expired; the
 * name is taken; its key was removed; there is no more room; whoever invited is no admin any more.
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

/** One part of an answer: all parts have all statements of the network. */
export interface JoinPart {
  readonly answer: JoinAnswer;
  readonly part: number;
  readonly parts: number;
  readonly statements: readonly Uint8Array[];
}

const VERSION = 1;
const HEAD_BYTES: number = 1 + KEY_BYTES;
const SEAL_BYTES = 16;
/** Of what is sealed, before the name. */
const FIXED_BYTES: number = SIGNATURE_BYTES + KEY_BYTES + 1;
const CONTEXT: Buffer = Buffer.from("sidewire-mesh join 1");

/** What is sent at once: what brokers commonly take is 64 KB. */
const PART_BYTES = 32_768;
/** Parts of all statements that a network can have. */
const MAX_PARTS = 1024;

/**
 * `version 1, WireGuard key 32, nonce 24`, sealed: `signature 64, signer 32, is the name fixed 1, name`. The signature is
 * by the signer, of the newcomer's WireGuard key and what comes after the signature. Everybody knows the signing keys of
 * admins: without it a newcomer could name one as its own, and be taken for that admin.
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

/** The WireGuard key that a request says it is of, 32 bytes; undefined for what is no request. */
export function newcomerOf(bytes: Uint8Array): Uint8Array | undefined {
  const longest = HEAD_BYTES + NONCE_BYTES + SEAL_BYTES + FIXED_BYTES + MAX_NAME_LENGTH;
  if (bytes[0] !== VERSION || bytes.length < HEAD_BYTES + NONCE_BYTES + SEAL_BYTES) return undefined;
  return bytes.length > longest ? undefined : bytes.slice(1, HEAD_BYTES);
}

/** Opens a request; undefined when it was sealed by somebody who has not both secrets, or not signed by the signer. */
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
 * `nonce 24`, sealed: `answer 1, part 2, parts 2`, and statements, each with its length, 2, before it. It is bound to
 * the request that it answers.
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

/** Opens a part of an answer; undefined for what is none to this request. */
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

/** Statements in a row, each with its length, 2, before it. */
export function withLength(statement: Uint8Array): [Uint8Array, Uint8Array] {
  return [Uint8Array.of(statement.length >> 8, statement.length), statement];
}

/** @returns undefined when they are cut off, or one is longer than any may be */
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
