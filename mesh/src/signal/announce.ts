import { CANDIDATE_KINDS, type Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import { parseAddress, unmapped } from "../ip/address.js";
import { endpointOf } from "../ip/endpoint.js";
import { isReachable } from "../ip/scope.js";
import type { Edition } from "./freshness.js";

/** The message by which a host tells a peer where it may be reached, with the message's edition. */
export interface Announce extends Edition {
  /** The highest boot number of the receiver that the sender knows; 0 for none. */
  readonly seenBoot: bigint;
  /** The number of the receiver's last announce of that boot that the sender accepted; 0 for none. */
  readonly seenCounter: number;
  /** The behaviour of the NATs before the sender. */
  readonly nat: NatVerdict;
  /** Whether the sender relays between its peers. */
  readonly isRelay: boolean;
  /** The places where the sender may be reached, the sender's best first. */
  readonly candidates: readonly Candidate[];
}

/**
 * ```text
 * 0   version, 1
 * 1   boot, 8 bytes            all numbers big-endian
 * 9   counter, 4
 * 13  seen boot, 8
 * 21  seen counter, 4
 * 25  records: type 1, length 2, value; type 0 ends them, and zeros fill up to 512 or 1200 bytes
 *
 * type 1   NAT verdict: 1 byte
 * type 2   candidate: kind 1, age in seconds 2, port 2, address 4 or 16
 * type 3   the sender is a relay: nothing
 * ```
 * Records of unknown types and candidates of unknown kinds are skipped, because later versions may have more of them.
 */
const VERSION = 1;
const HEAD_BYTES = 25;
const RECORD_HEAD_BYTES = 3;
const CANDIDATE_HEAD_BYTES = 5;

/**
 * Only two lengths exist, so that a broker cannot estimate the number of candidates. The longer one fits a datagram.
 */
const LENGTHS = [512, 1200] as const;

/** The maximum number of candidates that are written, and that are read. Further candidates of a peer are ignored. */
const MAX_WRITTEN = 16;
const MAX_READ = 32;

const MAX_AGE_S = 0xffff;

const RecordType = { End: 0, Nat: 1, Candidate: 2, Relay: 3 } as const;

const VERDICTS: readonly NatVerdict[] = ["unknown", "open", "stable", "symmetric", "blocked"];

/** Writes an announce as 512 or 1200 bytes. Only the first 16 candidates are written. */
export function encodeAnnounce(announce: Announce): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = VERSION;
  head.writeBigUInt64BE(announce.boot, 1);
  head.writeUInt32BE(announce.counter, 9);
  head.writeBigUInt64BE(announce.seenBoot, 13);
  head.writeUInt32BE(announce.seenCounter, 21);
  const all = Buffer.concat([
    head,
    record(RecordType.Nat, Uint8Array.of(VERDICTS.indexOf(announce.nat))),
    ...(announce.isRelay ? [record(RecordType.Relay, new Uint8Array())] : []),
    ...announce.candidates.slice(0, MAX_WRITTEN).flatMap(candidateRecord),
  ]);
  const bytes = new Uint8Array(LENGTHS.find((length) => all.length <= length) ?? LENGTHS[1]);
  bytes.set(all);
  return bytes;
}

/**
 * Reads an announce. Candidates that cannot be another host, such as loopback and multicast addresses, are left out.
 * Otherwise a peer could make this host send packets there.
 * @returns undefined for bytes that are not an announce
 */
export function decodeAnnounce(bytes: Uint8Array): Announce | undefined {
  if (!LENGTHS.some((length) => length === bytes.length) || bytes[0] !== VERSION) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const candidates: Candidate[] = [];
  let nat: NatVerdict = "unknown";
  let isRelay = false;
  let at = HEAD_BYTES;
  while (at < view.length && view[at] !== RecordType.End) {
    if (at + RECORD_HEAD_BYTES > view.length) return undefined;
    const end = at + RECORD_HEAD_BYTES + view.readUInt16BE(at + 1);
    if (end > view.length) return undefined;
    const value = view.subarray(at + RECORD_HEAD_BYTES, end);
    if (view[at] === RecordType.Nat) nat = VERDICTS[value[0] ?? 0] ?? "unknown";
    if (view[at] === RecordType.Relay) isRelay = true;
    if (view[at] === RecordType.Candidate && candidates.length < MAX_READ)
      candidates.push(...candidateOf(value));
    at = end;
  }
  if (view.subarray(at).some((byte) => byte !== 0)) return undefined;
  return {
    boot: view.readBigUInt64BE(1),
    counter: view.readUInt32BE(9),
    seenBoot: view.readBigUInt64BE(13),
    seenCounter: view.readUInt32BE(21),
    nat,
    isRelay,
    candidates,
  };
}

function record(type: number, value: Uint8Array): Uint8Array {
  const head = Buffer.alloc(RECORD_HEAD_BYTES);
  head[0] = type;
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
}

function candidateRecord({ kind, endpoint, ageS }: Candidate): Uint8Array[] {
  const address = parseAddress(endpoint.address);
  if (address === undefined) return [];
  const head = Buffer.alloc(CANDIDATE_HEAD_BYTES);
  head[0] = CANDIDATE_KINDS.indexOf(kind);
  head.writeUInt16BE(Math.min(MAX_AGE_S, Math.max(0, Math.trunc(ageS))), 1);
  head.writeUInt16BE(endpoint.port, 3);
  return [record(RecordType.Candidate, Buffer.concat([head, address]))];
}

function candidateOf(value: Buffer): Candidate[] {
  const length = value.length - CANDIDATE_HEAD_BYTES;
  if (length !== 4 && length !== 16) return [];
  const kind = CANDIDATE_KINDS[value[0] ?? 0xff];
  const address = unmapped(new Uint8Array(value.subarray(CANDIDATE_HEAD_BYTES)));
  const endpoint = endpointOf(address, value.readUInt16BE(3));
  if (kind === undefined || endpoint === undefined || !isReachable(address)) return [];
  return [{ kind, endpoint, ageS: value.readUInt16BE(1) }];
}
