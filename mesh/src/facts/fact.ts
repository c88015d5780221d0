import { CANDIDATE_KINDS, type Candidate } from "../candidates/candidate.js";
import { parseAddress, unmapped } from "../ip/address.js";
import { endpointOf } from "../ip/endpoint.js";
import { isReachable } from "../ip/scope.js";
import { formatKey, KEY_BYTES, parseKey } from "../wireguard-key.js";
import { CHUNK_BYTES, MAX_AGE_S, MAX_TTL_S } from "./constants.js";

/** The fields of every fact. */
interface About {
  /** The host that the fact is about: its WireGuard public key in base64. */
  readonly subject: string;
  /**
   * How long the fact is valid, in whole seconds: 1 to 65 535. A host that passes the fact on sends the remaining time.
   */
  readonly ttlS: number;
}

/** The subject, which is also the sender, is there. */
export interface AliveFact extends About {
  readonly attribute: "alive";
  /** Changes with each start. A host that has started again does not know what it was told before. */
  readonly boot: bigint;
  /** Whether the subject wants to be told about others. */
  readonly wantsAll: boolean;
}

/** The subject may be reached at this place. */
export interface CandidateFact extends About, Candidate {
  readonly attribute: "candidate";
}

/** The hash of the subject's roster. The subject is also the sender. */
export interface RosterFact extends About {
  readonly attribute: "roster";
  /** 32 bytes. */
  readonly hash: Uint8Array;
}

/** Something that a host says about a host, valid for some time. */
export type Fact = AliveFact | CandidateFact | RosterFact;

/**
 * ```text
 * a datagram   version 1, then facts to its end
 * a fact       attribute 1, seconds to live as a varint (LEB128, its shortest form), subject 32, value
 *
 * '!'  alive       boot 8, wants all 1 (0 or 1)          all numbers big-endian
 * 'e'  candidate   kind 1, age in seconds 2, port 2, IPv4 address 4
 * 'E'  candidate   the same with an IPv6 address, 16
 * '#'  roster      hash 32
 * ```
 * The format follows wirelink's facts. A datagram with any other content is not read at all. Later versions will use
 * datagrams of another version.
 */
const VERSION = 1;

const Attribute = { Alive: 0x21, Candidate4: 0x65, Candidate6: 0x45, Roster: 0x23 } as const;

const ALIVE_BYTES = 9;
const CANDIDATE_HEAD_BYTES = 5;
const HASH_BYTES = 32;

/** The length of a value, by its attribute. */
const VALUE_BYTES: ReadonlyMap<number, number> = new Map([
  [Attribute.Alive, ALIVE_BYTES],
  [Attribute.Candidate4, CANDIDATE_HEAD_BYTES + 4],
  [Attribute.Candidate6, CANDIDATE_HEAD_BYTES + 16],
  [Attribute.Roster, HASH_BYTES],
]);

/** Puts facts into datagrams. */
export class FactWriter {
  readonly #mayBegin: () => boolean;
  readonly #parts: Uint8Array[][] = [];
  #room = 0;

  /** @param mayBegin - called before each datagram; returns whether one more may be sent */
  constructor(mayBegin: () => boolean) {
    this.#mayBegin = mayBegin;
  }

  /** @returns whether there was room for the fact */
  add(fact: Fact): boolean {
    const bytes = bytesOf(fact);
    if (bytes.length > this.#room) {
      if (!this.#mayBegin()) return false;
      this.#parts.push([Uint8Array.of(VERSION)]);
      this.#room = CHUNK_BYTES - 1;
    }
    this.#parts.at(-1)?.push(bytes);
    this.#room -= bytes.length;
    return true;
  }

  /** The datagrams with the added facts, at most 1212 bytes each. */
  datagrams(): Uint8Array[] {
    return this.#parts.map((parts) => Buffer.concat(parts));
  }
}

/**
 * Reads a datagram. Each fact has only one valid encoding, so reading and writing gives the same bytes.
 * @returns undefined for bytes that are not a datagram of facts
 */
export function readFacts(bytes: Uint8Array): Fact[] | undefined {
  if (bytes.length < 2 || bytes.length > CHUNK_BYTES || bytes[0] !== VERSION) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const facts: Fact[] = [];
  let at = 1;
  while (at < view.length) {
    const attribute = view[at] ?? 0;
    const length = VALUE_BYTES.get(attribute);
    const ttl = readVarint(view, at + 1);
    if (length === undefined || ttl === undefined) return undefined;
    const end = ttl.end + KEY_BYTES + length;
    if (end > view.length) return undefined;
    const about = { subject: formatKey(view.subarray(ttl.end, ttl.end + KEY_BYTES)), ttlS: ttl.value };
    const fact = factOf(attribute, about, view.subarray(ttl.end + KEY_BYTES, end));
    if (fact === undefined) return undefined;
    facts.push(fact);
    at = end;
  }
  return facts;
}

function bytesOf(fact: Fact): Uint8Array {
  const [attribute, value] = encoded(fact);
  return Buffer.concat([Uint8Array.of(attribute), varint(fact.ttlS), parseKey(fact.subject), value]);
}

function encoded(fact: Fact): [attribute: number, value: Uint8Array] {
  switch (fact.attribute) {
    case "alive": {
      const value = Buffer.alloc(ALIVE_BYTES);
      value.writeBigUInt64BE(fact.boot);
      value[ALIVE_BYTES - 1] = fact.wantsAll ? 1 : 0;
      return [Attribute.Alive, value];
    }
    case "candidate": {
      const address = parseAddress(fact.endpoint.address) ?? new Uint8Array();
      const head = Buffer.alloc(CANDIDATE_HEAD_BYTES);
      head[0] = CANDIDATE_KINDS.indexOf(fact.kind);
      head.writeUInt16BE(Math.min(MAX_AGE_S, Math.max(0, Math.ceil(fact.ageS))), 1);
      head.writeUInt16BE(fact.endpoint.port, 3);
      const attribute = address.length === 4 ? Attribute.Candidate4 : Attribute.Candidate6;
      return [attribute, Buffer.concat([head, address])];
    }
    case "roster":
      return [Attribute.Roster, fact.hash];
  }
}

function factOf(attribute: number, about: About, value: Buffer): Fact | undefined {
  switch (attribute) {
    case Attribute.Alive: {
      const flag = value[ALIVE_BYTES - 1] ?? 0;
      if (flag > 1) return undefined;
      return { ...about, attribute: "alive", boot: value.readBigUInt64BE(), wantsAll: flag === 1 };
    }
    case Attribute.Roster:
      return { ...about, attribute: "roster", hash: new Uint8Array(value) };
    default: {
      const kind = CANDIDATE_KINDS[value[0] ?? 0xff];
      const address = new Uint8Array(value.subarray(CANDIDATE_HEAD_BYTES));
      const endpoint = endpointOf(address, value.readUInt16BE(3));
      // An IPv4 address in IPv6 form would be a second encoding. Loopback and multicast are refused, so that nobody can
      // make this host send there.
      const isPlace = unmapped(address).length === address.length && isReachable(address);
      if (kind === undefined || endpoint === undefined || !isPlace) return undefined;
      // An address of a TURN server only accepts peers that its borrower has told the server about.
      if (kind === "relayed") return undefined;
      return { ...about, attribute: "candidate", kind, endpoint, ageS: value.readUInt16BE(1) };
    }
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = Math.min(MAX_TTL_S, Math.max(1, Math.trunc(value)));
  for (; rest > 0x7f; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}

/** A number from 1 to 65 535, in its shortest form only. */
function readVarint(view: Uint8Array, start: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 3; i++) {
    const byte = view[start + i] ?? 0x80;
    value |= (byte & 0x7f) << (7 * i);
    if (byte > 0x7f) continue;
    const isShortest = byte > 0;
    return isShortest && value <= MAX_TTL_S ? { value, end: start + i + 1 } : undefined;
  }
  return undefined;
}
