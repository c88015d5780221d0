import { MAX_ADMINS, type Mark } from "../roster/roster.js";
import { SIGNING_KEY_BYTES } from "../roster/signing-key.js";
import { HASH_BYTES, NETWORK_ID_BYTES } from "../roster/statement.js";
import { formatKey, parseKey } from "../wireguard-key.js";
import { readStatements, withLength } from "./join-message.js";

/** The messages of members about their rosters: how far the sender knows the roster, or statements of the roster. */
export type SyncMessage =
  | {
      readonly type: "summary";
      readonly network: Uint8Array;
      readonly marks: readonly Mark[];
      /** Whether the sender asks how far the receiver knows the roster. */
      readonly wantsAnswer: boolean;
    }
  | {
      readonly type: "statements";
      readonly network: Uint8Array;
      readonly statements: readonly Uint8Array[];
    };

/** The first byte. Announces and messages about relays have other values. */
const KIND = 3;
const Type = { Summary: 1, SummaryPlease: 2, Statements: 3 } as const;
const HEAD_BYTES: number = 2 + NETWORK_ID_BYTES;
const MARK_BYTES: number = SIGNING_KEY_BYTES + 4 + HASH_BYTES;

/** The maximum length of a message in a datagram, and over brokers; in bytes. */
export const PATH_BYTES = 1200;
export const BROKER_BYTES = 32_768;

/** Whether a message is about the roster. */
export function isSyncMessage(bytes: Uint8Array): boolean {
  return bytes[0] === KIND;
}

/** Writes `kind 1, type 1, network 16`, and for each admin `key 32, counter 4, hash 32`. */
export function writeSummary(network: Uint8Array, marks: readonly Mark[], wantsAnswer: boolean): Uint8Array {
  const type = wantsAnswer ? Type.SummaryPlease : Type.Summary;
  const parts = marks.map(({ admin, counter, hash }) => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(counter);
    return Buffer.concat([parseKey(admin), number, hash]);
  });
  return new Uint8Array(Buffer.concat([Uint8Array.of(KIND, type), network, ...parts]));
}

/** Writes statements in messages of at most `most` bytes. */
export function writeStatements(
  network: Uint8Array,
  statements: readonly Uint8Array[],
  most: number,
): Uint8Array[] {
  const messages: Uint8Array[][] = [];
  let room = 0;
  for (const statement of statements) {
    if (room < statement.length + 2) {
      messages.push([Uint8Array.of(KIND, Type.Statements), network]);
      room = most - HEAD_BYTES;
    }
    room -= statement.length + 2;
    messages.at(-1)?.push(...withLength(statement));
  }
  return messages.map((parts) => new Uint8Array(Buffer.concat(parts)));
}

/** @returns undefined for bytes that are not such a message */
export function readSyncMessage(bytes: Uint8Array): SyncMessage | undefined {
  if (!isSyncMessage(bytes) || bytes.length < HEAD_BYTES || bytes.length > 2 * BROKER_BYTES) return undefined;
  const network = bytes.slice(2, HEAD_BYTES);
  const rest = bytes.subarray(HEAD_BYTES);
  const type = bytes[1];
  if (type === Type.Statements) {
    const statements = readStatements(rest);
    return statements && { type: "statements", network, statements };
  }
  if (type !== Type.Summary && type !== Type.SummaryPlease) return undefined;
  const count = rest.length / MARK_BYTES;
  if (!Number.isInteger(count) || count > MAX_ADMINS) return undefined;
  const view = Buffer.from(rest.buffer, rest.byteOffset, rest.byteLength);
  const marks = Array.from({ length: count }, (_, i): Mark => {
    const at = i * MARK_BYTES;
    const hashAt = at + SIGNING_KEY_BYTES + 4;
    return {
      admin: formatKey(rest.subarray(at, at + SIGNING_KEY_BYTES)),
      counter: view.readUInt32BE(at + SIGNING_KEY_BYTES),
      hash: rest.slice(hashAt, hashAt + HASH_BYTES),
    };
  });
  return { type: "summary", network, marks, wantsAnswer: type === Type.SummaryPlease };
}
