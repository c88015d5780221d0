import { createHash } from "node:crypto";
import type { AddressBytes } from "../ip/address.js";
import type { Prefix } from "../ip/prefix.js";
import { KEY_BYTES } from "../wireguard-key.js";
import { isName } from "./member-name.js";
import { readRoutes, writeRoutes } from "./route.js";
import { formatGroups, formatRule, parseGroups, parseRule, type Rule } from "./rule.js";
import { isSignedBy, SIGNATURE_BYTES, SIGNING_KEY_BYTES, type SigningKey } from "./signing-key.js";

/**
 * The statements of an admin: the network is founded; a host is a member, with these fields; a member is removed for
 * good; a member's signing key becomes an admin's; an admin is no admin any more; a member has these roles; a rule
 * holds; a rule does not hold any more.
 */
export const STATEMENT_KINDS = [
  "found",
  "member",
  "remove",
  "admin",
  "remove-admin",
  "roles",
  "allow",
  "disallow",
] as const;

const KINDS: readonly string[] = STATEMENT_KINDS;

/**
 * `unknown` is a kind of a later version. Such a statement is kept and passed on in its chain, but has no effect here.
 */
export type StatementKind = (typeof STATEMENT_KINDS)[number] | "unknown";

/** The kinds that an admin can state about an existing network. */
export type Sayable = Exclude<StatementKind, "found" | "unknown">;

/** One statement of an admin. Keys and hashes are raw bytes. */
export interface Statement {
  readonly kind: StatementKind;
  /** 16 bytes; zeros in the founding statement, because the id is the hash of that statement. */
  readonly network: Uint8Array;
  /** The key that signed the statement; 32 bytes. */
  readonly admin: Uint8Array;
  /** 1, 2, 3 … for each admin. */
  readonly counter: number;
  /** The hash of the admin's previous statement; zeros in the first one; 32 bytes. */
  readonly previous: Uint8Array;
  /** Larger than that of any statement that the admin knew (Lamport clock). */
  readonly lamport: number;
  /** The admin's clock, in Unix ms. For display only. */
  readonly time: number;
  /** The subject: the member's WireGuard key, or the admin's signing key; zeros for a rule; 32 bytes. */
  readonly subject: Uint8Array;
  readonly fields: Fields;
}

/** The content about the subject. */
export interface Fields {
  /** The name of the member; in a founding statement, of the network. */
  readonly name?: string | undefined;
  /** The member's IPv4 address in the overlay, 4 bytes. */
  readonly address?: AddressBytes | undefined;
  /** The network's prefix, in a founding statement. Members get IPv4 addresses from it. */
  readonly prefix?: Prefix | undefined;
  /** The member's signing key, for the time when it is an admin; 32 bytes. */
  readonly signer?: Uint8Array | undefined;
  /** The last statement of a removed admin that counts. */
  readonly last?: number | undefined;
  /** The member's previous WireGuard key, which this key replaces. Everything else stays; 32 bytes. */
  readonly replaces?: Uint8Array | undefined;
  /** All groups of the member; undefined for no change. */
  readonly groups?: readonly string[] | undefined;
  /** All subnets that the member may carry; undefined for no change. */
  readonly routes?: readonly Prefix[] | undefined;
  /** Whether the member may relay for others; undefined for no change. */
  readonly relay?: boolean | undefined;
  /** The rule that holds, or does not hold any more. */
  readonly rule?: Rule | undefined;
}

/** The maximum length of a statement. It fits a datagram together with all headers. */
export const MAX_STATEMENT_BYTES = 900;
export const NETWORK_ID_BYTES = 16;
export const HASH_BYTES = 32;

/** The maximum number of statements of one admin. Further ones are refused. */
export const MAX_COUNTER = 4096;
export const MAX_LAMPORT: number = Number.MAX_SAFE_INTEGER;

/**
 * ```text
 * 0    version, 1
 * 1    kind, 1: place in STATEMENT_KINDS
 * 2    network, 16
 * 18   admin, 32
 * 50   counter, 4              all numbers big-endian
 * 54   hash of the one before, 32
 * 86   Lamport time, 8
 * 94   time, 8
 * 102  subject, 32
 * 134  records: type 1, length 1, value; in the order of their types, each once
 *      signature, 64, of "sidewire-mesh roster 1" and all before
 * ```
 * Records of unknown types are skipped but kept, and so are statements of unknown kinds, because later versions may
 * have more of them.
 */
const VERSION = 1;
const HEAD_BYTES = 134;
const CONTEXT: Buffer = Buffer.from("sidewire-mesh roster 1");

const RecordType = {
  Name: 1,
  Address: 2,
  Prefix: 3,
  Signer: 4,
  Last: 5,
  Replaces: 6,
  Groups: 7,
  Routes: 8,
  Rule: 9,
  Relay: 10,
} as const;

/** Writes and signs a statement. */
export function writeStatement(statement: Statement, key: SigningKey): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = VERSION;
  head[1] = KINDS.indexOf(statement.kind);
  head.set(statement.network, 2);
  head.set(statement.admin, 18);
  head.writeUInt32BE(statement.counter, 50);
  head.set(statement.previous, 54);
  head.writeBigUInt64BE(BigInt(statement.lamport), 86);
  head.writeBigUInt64BE(BigInt(statement.time), 94);
  head.set(statement.subject, 102);
  const body = Buffer.concat([head, ...records(statement.fields)]);
  return new Uint8Array(Buffer.concat([body, key.sign(Buffer.concat([CONTEXT, body]))]));
}

/**
 * Reads a statement. The signature is not checked; see {@link isGenuine}.
 * @returns undefined for bytes that are not a statement, or not a valid one
 */
export function readStatement(bytes: Uint8Array): Statement | undefined {
  const end = bytes.length - SIGNATURE_BYTES;
  if (end < HEAD_BYTES || bytes.length > MAX_STATEMENT_BYTES || bytes[0] !== VERSION) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kind = STATEMENT_KINDS[view[1] ?? 0xff] ?? "unknown";
  const fields = fieldsOf(view.subarray(HEAD_BYTES, end));
  const [lamport, time] = [view.readBigUInt64BE(86), view.readBigUInt64BE(94)];
  if (fields === undefined) return undefined;
  if (lamport > MAX_LAMPORT || time > Number.MAX_SAFE_INTEGER) return undefined;
  const statement: Statement = {
    kind,
    network: new Uint8Array(view.subarray(2, 18)),
    admin: new Uint8Array(view.subarray(18, 50)),
    counter: view.readUInt32BE(50),
    previous: new Uint8Array(view.subarray(54, 86)),
    lamport: Number(lamport),
    time: Number(time),
    subject: new Uint8Array(view.subarray(102, HEAD_BYTES)),
    fields,
  };
  return holds(statement) ? statement : undefined;
}

/** Whether the statement is signed by the admin that it names. */
export function isGenuine(bytes: Uint8Array): boolean {
  const end = bytes.length - SIGNATURE_BYTES;
  const admin = bytes.subarray(18, 18 + SIGNING_KEY_BYTES);
  return isSignedBy(admin, Buffer.concat([CONTEXT, bytes.subarray(0, end)]), bytes.subarray(end));
}

/** The SHA-256 of a whole statement. */
export function hashOf(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

/** The id of the network that a statement founds. */
export function networkIdOf(founding: Uint8Array): Uint8Array {
  return hashOf(founding).subarray(0, NETWORK_ID_BYTES);
}

/** Whether a statement has everything that its kind requires. */
function holds({ kind, counter, previous, network, lamport, subject, fields }: Statement): boolean {
  const isFirst = counter === 1;
  const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);
  if (counter < 1 || counter > MAX_COUNTER || lamport < 1 || isZero(previous) !== isFirst) return false;
  if ((kind === "found") !== isZero(network)) return false;
  if (kind === "found") return isFirst && fields.name !== undefined;
  if (kind === "member") return fields.name !== undefined && fields.signer !== undefined;
  if (kind === "allow" || kind === "disallow") return fields.rule !== undefined && isZero(subject);
  return kind !== "remove-admin" || fields.last !== undefined;
}

function records(fields: Fields): Buffer[] {
  const { name, address, prefix, signer, last, replaces, groups, routes, rule, relay } = fields;
  const record = (type: number, value: Uint8Array): Buffer =>
    Buffer.concat([Uint8Array.of(type, value.length), value]);
  return [
    ...(name === undefined ? [] : [record(RecordType.Name, Buffer.from(name))]),
    ...(address === undefined ? [] : [record(RecordType.Address, address)]),
    ...(prefix === undefined
      ? []
      : [record(RecordType.Prefix, Uint8Array.of(prefix.bits, ...prefix.address))]),
    ...(signer === undefined ? [] : [record(RecordType.Signer, signer)]),
    ...(last === undefined ? [] : [record(RecordType.Last, Uint8Array.of(last >> 8, last))]),
    ...(replaces === undefined ? [] : [record(RecordType.Replaces, replaces)]),
    ...(groups === undefined ? [] : [record(RecordType.Groups, Buffer.from(formatGroups(groups)))]),
    ...(routes === undefined ? [] : [record(RecordType.Routes, writeRoutes(routes))]),
    ...(rule === undefined ? [] : [record(RecordType.Rule, Buffer.from(formatRule(rule)))]),
    ...(relay === undefined ? [] : [record(RecordType.Relay, Uint8Array.of(relay ? 1 : 0))]),
  ];
}

function fieldsOf(view: Buffer): Fields | undefined {
  let fields: Fields = {};
  let at = 0;
  let before = 0;
  while (at < view.length) {
    const [type = 0, length = 0] = [view[at], view[at + 1]];
    const value = new Uint8Array(view.subarray(at + 2, at + 2 + length));
    // Records must be sorted and unique, so that there is only one valid encoding.
    if (type <= before || at + 2 > view.length || value.length !== length) return undefined;
    const field = fieldOf(type, value);
    if (field === undefined) return undefined;
    fields = { ...fields, ...field };
    before = type;
    at += 2 + length;
  }
  return fields;
}

function fieldOf(type: number, value: Uint8Array): Fields | undefined {
  switch (type) {
    case RecordType.Name: {
      const name = Buffer.from(value).toString("latin1");
      return isName(name) ? { name } : undefined;
    }
    case RecordType.Address:
      return value.length === 4 ? { address: value } : undefined;
    case RecordType.Prefix: {
      const [bits = 0] = value;
      const address = value.subarray(1);
      const isMasked = address.every((byte, i) => (byte & (0xff >> Math.max(0, bits - 8 * i))) === 0);
      return address.length === 4 && bits >= 8 && bits <= 30 && isMasked
        ? { prefix: { address, bits } }
        : undefined;
    }
    case RecordType.Signer:
      return value.length === KEY_BYTES ? { signer: value } : undefined;
    case RecordType.Last: {
      const [high = 0, low = 0] = value;
      return value.length === 2 ? { last: high * 256 + low } : undefined;
    }
    case RecordType.Replaces:
      return value.length === KEY_BYTES ? { replaces: value } : undefined;
    case RecordType.Groups: {
      const groups = parseGroups(Buffer.from(value).toString("latin1"));
      return groups && { groups };
    }
    case RecordType.Routes: {
      const routes = readRoutes(value);
      return routes && { routes };
    }
    case RecordType.Rule: {
      const text = Buffer.from(value).toString("latin1");
      const rule = parseRule(text);
      return rule && formatRule(rule) === text ? { rule } : undefined;
    }
    case RecordType.Relay: {
      const [mayRelay = 2] = value;
      return value.length === 1 && mayRelay <= 1 ? { relay: mayRelay === 1 } : undefined;
    }
    default:
      return {};
  }
}
