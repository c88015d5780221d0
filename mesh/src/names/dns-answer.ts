import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
} from "dns-packet";
import type { Zone } from "./zone.js";

/** The longest query that is looked at, bytes: more than a name and a question can have. */
const MAX_QUERY_BYTES = 1232;

/** How long an answer may be kept, s: members come, go and are renamed. */
const TTL_S = 30;

/** Addresses of one kind in an answer: of the longest name they fit into 512 bytes. */
const MAX_ADDRESSES = 2;

/** RFC 1035, section 4.1.1. */
const Code = { ok: 0, formatError: 1, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
type Code = (typeof Code)[keyof typeof Code];

/** Who speaks EDNS is answered so (RFC 6891, section 6.1.1). */
const EDNS: Answer = {
  ...{ type: "OPT", name: ".", udpPayloadSize: MAX_QUERY_BYTES, options: [] },
  ...{ extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false },
};

/** Labels of visible ASCII, or the root. */
const NAME = /^(?:\.|[!-\-/-~]{1,63}(?:\.[!-\-/-~]{1,63})*)$/;

const HEADER_BYTES = 12;

/**
 * Answers a query of DNS about a network's members, and refuses all others: it asks nobody else.
 *
 * Every answer fits into 512 bytes, which each resolver takes over UDP. Source: RFC 1035, RFC 2308 for what is not there.
 * @param zone - undefined while there are no names
 * @returns nothing for what is no query
 */
export function answerQuery(query: Uint8Array, zone: Zone | undefined): Uint8Array | undefined {
  const bytes = Buffer.from(query.buffer, query.byteOffset, query.byteLength);
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_QUERY_BYTES) return undefined;
  // An answer that is answered may go on for ever.
  const isResponse = (bytes.readUInt8(2) & 0x80) !== 0;
  if (isResponse) return undefined;
  const id = bytes.readUInt16BE(0);
  const opcode = (bytes.readUInt8(2) >> 3) & 15;
  if (opcode !== 0) return said({ id }, Code.notImplemented);
  const packet = decoded(bytes);
  const [question] = packet?.questions ?? [];
  if (packet === undefined || question === undefined) return said({ id }, Code.formatError);
  const hasEdns = packet.additionals?.some(({ type }) => type === "OPT") ?? false;
  const about: Packet = {
    id,
    flags: (packet.flags ?? 0) & RECURSION_DESIRED,
    questions: [question],
    additionals: hasEdns ? [EDNS] : [],
  };
  const name = question.name.toLowerCase();
  const type: string = question.type;
  if (zone === undefined || question.class !== "IN") return said(about, Code.refused);
  const member = zone.memberAt(name);
  if (member !== undefined) {
    const isAsked = type === "PTR" || type === "ANY";
    return said(
      about,
      Code.ok,
      isAsked ? [{ name: question.name, type: "PTR", ttl: TTL_S, data: member }] : [],
    );
  }
  if (!zone.has(name)) return said(about, Code.refused);
  const addresses = zone.addressesOf(name);
  if (addresses === undefined) return said(about, Code.noSuchName, [], [authority(zone)]);
  const answers: Answer[] = addresses
    .map(
      (data) => ({ name: question.name, type: data.includes(":") ? "AAAA" : "A", ttl: TTL_S, data }) as const,
    )
    // To "any" one kind of record is an answer (RFC 8482, section 4.1).
    .filter((one, _, [first]) => one.type === (type === "ANY" ? first?.type : type))
    .slice(0, MAX_ADDRESSES);
  if (name === zone.apex && (type === "SOA" || type === "ANY")) answers.push(authority(zone));
  return said(about, Code.ok, answers, answers.length === 0 ? [authority(zone)] : []);
}

/** A query with one question; undefined for anything else. */
function decoded(bytes: Buffer): Packet | undefined {
  // Before any list is made as long as its sender says.
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 2) return undefined;
  try {
    const packet = decode(bytes);
    // What cannot be written as it was read is no name of a member either.
    return packet.questions?.every(({ name }) => NAME.test(name)) ? packet : undefined;
  } catch {
    return undefined;
  }
}

/** How long it is known that something is not there (RFC 2308, section 3). */
function authority({ apex }: Zone): Answer {
  // Nobody is to be written to: the root stands for that.
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: TTL_S };
  return { name: apex, type: "SOA", ttl: TTL_S, data: { mname: apex, rname: ".", ...times } };
}

function said(about: Packet, code: Code, answers: Answer[] = [], authorities: Answer[] = []): Uint8Array {
  const flags = (about.flags ?? 0) | AUTHORITATIVE_ANSWER | code;
  return encode({ ...about, type: "response", flags, answers, authorities });
}
