import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
} from "dns-packet";
import type { Zone } from "./zone.js";

/** The maximum length of a query in bytes. A name and a question are always shorter. */
const MAX_QUERY_BYTES = 1232;

/** How long an answer may be cached, in s. Members come, go and are renamed. */
const TTL_S = 30;

/** The maximum number of addresses of one kind in an answer. With the longest name they fit into 512 bytes. */
const MAX_ADDRESSES = 2;

/** The response codes (RFC 1035, section 4.1.1). */
const Code = { ok: 0, formatError: 1, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
type Code = (typeof Code)[keyof typeof Code];

/** The EDNS part of an answer to a query with EDNS (RFC 6891, section 6.1.1). */
const EDNS: Answer = {
  ...{ type: "OPT", name: ".", udpPayloadSize: MAX_QUERY_BYTES, options: [] },
  ...{ extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false },
};

/** Names of labels in visible ASCII, or the root. */
const NAME = /^(?:\.|[!-\-/-~]{1,63}(?:\.[!-\-/-~]{1,63})*)$/;

const HEADER_BYTES = 12;

/**
 * Answers a DNS query about a network's members, and refuses all others. It asks no other server.
 *
 * Every answer fits into 512 bytes, which every resolver accepts over UDP. Sources: RFC 1035, and RFC 2308 for names
 * that do not exist.
 * @param zone - undefined while there are no names
 * @returns undefined for bytes that are not a query
 */
export function answerQuery(query: Uint8Array, zone: Zone | undefined): Uint8Array | undefined {
  const bytes = Buffer.from(query.buffer, query.byteOffset, query.byteLength);
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_QUERY_BYTES) return undefined;
  // Answering an answer could lead to an endless exchange.
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
    // For a query of type ANY, records of one kind are enough (RFC 8482, section 4.1).
    .filter((one, _, [first]) => one.type === (type === "ANY" ? first?.type : type))
    .slice(0, MAX_ADDRESSES);
  if (name === zone.apex && (type === "SOA" || type === "ANY")) answers.push(authority(zone));
  return said(about, Code.ok, answers, answers.length === 0 ? [authority(zone)] : []);
}

/** A query with one question; undefined for anything else. */
function decoded(bytes: Buffer): Packet | undefined {
  // Checked first, so that no list is made with a length that the sender chose.
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || (additionals ?? 0) > 2) return undefined;
  try {
    const packet = decode(bytes);
    // A name that cannot be written again as it was read is not a name of a member.
    return packet.questions?.every(({ name }) => NAME.test(name)) ? packet : undefined;
  } catch {
    return undefined;
  }
}

/** How long a resolver may remember that a name does not exist (RFC 2308, section 3). */
function authority({ apex }: Zone): Answer {
  // The root as the mail address means that there is nobody to write to.
  const times = { serial: 1, refresh: 3600, retry: 600, expire: 86_400, minimum: TTL_S };
  return { name: apex, type: "SOA", ttl: TTL_S, data: { mname: apex, rname: ".", ...times } };
}

function said(about: Packet, code: Code, answers: Answer[] = [], authorities: Answer[] = []): Uint8Array {
  const flags = (about.flags ?? 0) | AUTHORITATIVE_ANSWER | code;
  return encode({ ...about, type: "response", flags, answers, authorities });
}
