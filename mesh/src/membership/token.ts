import { createHash } from "node:crypto";
import { type BrokerPool, parseBrokerPool } from "sidewire";
import { MeshError } from "../errors.js";
import { isName } from "../roster/member-name.js";
import { KEY_BYTES } from "../wireguard-key.js";
import { SECRET_BYTES } from "./invite-keys.js";

/** The content of an invitation. Anybody who has the text can join. */
export interface Token {
  /** The network's name. */
  readonly network: string;
  /** The WireGuard key of the admin's host, 32 bytes. */
  readonly admin: Uint8Array;
  /** 16 bytes. */
  readonly secret: Uint8Array;
  /** Unix s. */
  readonly expires: number;
  /** The brokers where both sides meet; undefined for sidewire's public brokers. */
  readonly brokers?: BrokerPool | undefined;
}

/** The head tells a person what the text is, and distinguishes later formats. */
const HEAD = "swm1_";
const CHECKSUM_BYTES = 4;
const FIXED_BYTES: number = KEY_BYTES + SECRET_BYTES + 4 + 1;

/** The maximum length of a token, and of a broker list in a token. More does not fit a QR code. */
const MAX_TOKEN_LENGTH = 2048;
const MAX_POOL_LENGTH = 700;

/** Whether a broker list fits into a token. */
export function fitsToken(pool: BrokerPool): boolean {
  return poolText(pool).length <= MAX_POOL_LENGTH;
}

/**
 * Writes `swm1_` and base64url of: admin 32, secret 16, expiry 4 (Unix s, big-endian), length of the name 1, name, the
 * brokers as JSON or nothing, and the first 4 bytes of the SHA-256 of all that.
 */
export function formatToken({ network, admin, secret, expires, brokers }: Token): string {
  const when = Buffer.alloc(4);
  when.writeUInt32BE(expires);
  const name = Buffer.from(network);
  const pool = Buffer.from(brokers === undefined ? "" : poolText(brokers));
  const body = Buffer.concat([admin, secret, when, Uint8Array.of(name.length), name, pool]);
  return HEAD + Buffer.concat([body, checksum(body)]).toString("base64url");
}

/** @throws {@link MeshError} `INVALID_OPTION`; the error does not contain the token */
export function parseToken(text: string): Token {
  const trimmed = text.trim();
  if (!trimmed.startsWith(HEAD) || trimmed.length > MAX_TOKEN_LENGTH)
    throw invalid(`it begins with ${HEAD}, as sidewire-mesh invite prints it`);
  const bytes = Buffer.from(trimmed.slice(HEAD.length), "base64url");
  const body = bytes.subarray(0, -CHECKSUM_BYTES);
  const isWhole = HEAD + bytes.toString("base64url") === trimmed;
  if (!isWhole || body.length < FIXED_BYTES || !checksum(body).equals(bytes.subarray(-CHECKSUM_BYTES)))
    throw invalid("a letter of it is wrong or missing: copy it again, whole");
  const nameEnd = FIXED_BYTES + (body[FIXED_BYTES - 1] ?? 0);
  const network = body.subarray(FIXED_BYTES, nameEnd).toString("latin1");
  const pool = body.subarray(nameEnd).toString("utf8");
  if (!isName(network)) throw invalid("it is of another version than this command");
  return {
    network,
    admin: new Uint8Array(body.subarray(0, KEY_BYTES)),
    secret: new Uint8Array(body.subarray(KEY_BYTES, KEY_BYTES + SECRET_BYTES)),
    expires: body.readUInt32BE(KEY_BYTES + SECRET_BYTES),
    brokers: pool === "" ? undefined : poolOf(pool),
  };
}

function poolOf(text: string): BrokerPool {
  try {
    return parseBrokerPool(text);
  } catch {
    throw invalid("its brokers are not understood: it is of another version than this command");
  }
}

/** The pool as JSON, without default values. */
function poolText(pool: BrokerPool): string {
  return JSON.stringify(pool, (key, value: unknown) =>
    (key === "weight" && value === 1) ||
    key === "updated" ||
    (isRecord(value) && Object.keys(value).length === 0)
      ? undefined
      : value,
  );
}

function isRecord(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function checksum(body: Uint8Array): Buffer {
  return createHash("sha256").update(body).digest().subarray(0, CHECKSUM_BYTES);
}

function invalid(why: string): MeshError {
  return new MeshError("INVALID_OPTION", `this is no token of an invitation: ${why}`);
}
