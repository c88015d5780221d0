/**
 * The datagrams on a LAN: bytes ↔ records, each sealed for one peer.
 *
 * ```text
 * 0   version, 1
 * 1   epoch, 4 bytes           all numbers big-endian
 * 5   records: tag 8, length 2, nonce 24, sealed
 * ```
 * The sealed content is an announce without the zeros at its end, filled up with zeros to a multiple of 64 bytes. So on
 * a LAN one datagram can hold the announces for several peers.
 */
import { randomBytes } from "node:crypto";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { LAN_TAG_BYTES, type LanKeys, lanTag } from "./lan-keys.js";

const VERSION = 1;
const HEAD_BYTES = 5;
const NONCE_BYTES = 24;
const MAC_BYTES = 16;
const RECORD_HEAD_BYTES = LAN_TAG_BYTES + 2;
const STEP_BYTES = 64;

/** The lengths of a complete announce. */
const ANNOUNCE_LENGTHS = [512, 1200] as const;

/** The maximum length of a datagram with several records; a single record may be longer, up to MAX_BYTES. */
const FULL_BYTES = 1232;
const MAX_BYTES = 1400;

const MAX_EPOCH = 0xffff_ffff;

/** A record that is still sealed. */
export interface LanRecord {
  /** In hex. */
  readonly tag: string;
  readonly sealed: Uint8Array;
}

/** Seals an announce for a peer. */
export function sealRecord(keys: LanKeys, epoch: number, announce: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(randomBytes(NONCE_BYTES));
  const cipher = xchacha20poly1305(keys.sealing, nonce, Buffer.concat([keys.own, keys.remote]));
  const sealed = cipher.encrypt(shortened(announce));
  const head = Buffer.alloc(RECORD_HEAD_BYTES);
  head.set(lanTag(keys, true, epoch));
  head.writeUInt16BE(NONCE_BYTES + sealed.length, LAN_TAG_BYTES);
  return Buffer.concat([head, nonce, sealed]);
}

/** The announce in a record; undefined when the peer did not seal it. */
export function openRecord(keys: LanKeys, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length < NONCE_BYTES + MAC_BYTES) return undefined;
  try {
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const cipher = xchacha20poly1305(keys.sealing, nonce, Buffer.concat([keys.remote, keys.own]));
    return lengthened(cipher.decrypt(sealed.subarray(NONCE_BYTES)));
  } catch {
    return undefined;
  }
}

/** Puts records into as few datagrams as possible. */
export function encodeDatagrams(epoch: number, records: readonly Uint8Array[]): Uint8Array[] {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = VERSION;
  head.writeUInt32BE(epoch, 1);
  const datagrams: Uint8Array[][] = [];
  let length = Number.POSITIVE_INFINITY;
  for (const record of records) {
    if (length + record.length > FULL_BYTES) {
      datagrams.push([head]);
      length = HEAD_BYTES;
    }
    datagrams.at(-1)?.push(record);
    length += record.length;
  }
  return datagrams.map((parts) => Buffer.concat(parts));
}

/** @returns undefined for bytes that are not a complete datagram of this kind */
export function decodeDatagram(bytes: Uint8Array): { epoch: number; records: LanRecord[] } | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEAD_BYTES || view.length > MAX_BYTES || view[0] !== VERSION) return undefined;
  const records: LanRecord[] = [];
  for (let at = HEAD_BYTES; at < view.length; ) {
    const start = at + RECORD_HEAD_BYTES;
    if (start > view.length) return undefined;
    const end = start + view.readUInt16BE(at + LAN_TAG_BYTES);
    if (end > view.length || end - start < NONCE_BYTES + MAC_BYTES) return undefined;
    records.push({
      tag: view.toString("hex", at, at + LAN_TAG_BYTES),
      sealed: new Uint8Array(view.subarray(start, end)),
    });
    at = end;
  }
  return { epoch: view.readUInt32BE(1), records };
}

/** The epoch of a time; it changes every hour. @param wallNow - Unix ms */
export function epochAt(wallNow: number): number {
  return Math.min(MAX_EPOCH, Math.max(0, Math.floor(wallNow / 3_600_000)));
}

function shortened(announce: Uint8Array): Uint8Array {
  let length = announce.length;
  while (length > 0 && announce[length - 1] === 0) length--;
  const short = new Uint8Array(Math.ceil(length / STEP_BYTES) * STEP_BYTES);
  short.set(announce.subarray(0, length));
  return short;
}

function lengthened(short: Uint8Array): Uint8Array | undefined {
  // The padding may go beyond the end of the announce.
  let used = short.length;
  while (used > 0 && short[used - 1] === 0) used--;
  const length = ANNOUNCE_LENGTHS.find((one) => one >= used);
  if (length === undefined || short.length > length + STEP_BYTES) return undefined;
  const whole = new Uint8Array(length);
  whole.set(short.subarray(0, used));
  return whole;
}
