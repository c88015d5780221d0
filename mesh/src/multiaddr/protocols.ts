import { isIPv4, isIPv6 } from "node:net";
import { formatAddress, parseAddress } from "../ip/address.js";
import { formatWgKey, parseWgKey, WG_CODE } from "./wg-key.js";

/** A protocol of a multiaddr: its name in text, its code in bytes, and the type of its value, if it has one. */
export interface Protocol {
  readonly name: string;
  readonly code: number;
  readonly value?: ValueType | undefined;
}

/**
 * The type of a value. The two functions return undefined for anything that is not a value of this type, and for a
 * spelling that is not canonical.
 */
export interface ValueType {
  /** The length of a value in bytes. Undefined when each value has its length before it. */
  readonly size: number | undefined;
  /** The expected value, for an error. */
  readonly expected: string;
  read(text: string): Uint8Array | undefined;
  write(bytes: Uint8Array): string | undefined;
}

/** The maximum length of a value without a fixed length, in bytes. A domain name can have this length. */
export const MAX_VALUE_BYTES = 253;

const ip4: ValueType = {
  size: 4,
  expected: "an IPv4 address",
  read: (text) => (isIPv4(text) ? parseAddress(text) : undefined),
  write: formatAddress,
};

const ip6: ValueType = {
  size: 16,
  expected: "an IPv6 address without a zone",
  read(text) {
    const bytes = isIPv6(text) ? parseAddress(text) : undefined;
    if (bytes?.length !== 4) return bytes;
    // `parseAddress` reads an IPv4 address in IPv6 form as IPv4, but here the address must stay as it was written.
    return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
  },
  write: formatAddress,
};

const port: ValueType = {
  size: 2,
  expected: "a port from 0 to 65535",
  read(text) {
    const number = Number(text);
    if (!/^(?:0|[1-9]\d{0,4})$/.test(text) || number > 0xffff) return undefined;
    return Uint8Array.of(number >> 8, number & 0xff);
  },
  write: ([high = 0, low = 0]) => `${(high << 8) | low}`,
};

/** A name of ASCII letters, digits, `_`, `.` and `-`. So a name cannot contain the separator of the parts. */
const name: ValueType = {
  size: undefined,
  expected: `a name of 1 to ${MAX_VALUE_BYTES} letters, digits and any of _ . -`,
  read: (text) => (isName(text) ? new TextEncoder().encode(text) : undefined),
  write(bytes) {
    const text = Buffer.from(bytes).toString("latin1");
    return isName(text) ? text : undefined;
  },
};

const wg: ValueType = {
  size: 32,
  expected: "a WireGuard public key is expected as u and 43 characters of base64url, without padding",
  read: parseWgKey,
  write: formatWgKey,
};

/** The protocols below a tunnel and inside it. The codes are from the multicodec table. */
const PROTOCOLS: readonly Protocol[] = [
  { name: "ip4", code: 0x04, value: ip4 },
  { name: "tcp", code: 0x06, value: port },
  { name: "dccp", code: 0x21, value: port },
  { name: "ip6", code: 0x29, value: ip6 },
  { name: "ip6zone", code: 0x2a, value: name },
  { name: "dns", code: 0x35, value: name },
  { name: "dns4", code: 0x36, value: name },
  { name: "dns6", code: 0x37, value: name },
  { name: "dnsaddr", code: 0x38, value: name },
  { name: "sctp", code: 0x84, value: port },
  { name: "udp", code: 0x0111, value: port },
  { name: "https", code: 0x01bb },
  { name: "tls", code: 0x01c0 },
  { name: "sni", code: 0x01c1, value: name },
  { name: "noise", code: 0x01c6 },
  { name: "wg", code: WG_CODE, value: wg },
  { name: "quic", code: 0x01cc },
  { name: "quic-v1", code: 0x01cd },
  { name: "ws", code: 0x01dd },
  { name: "wss", code: 0x01de },
  { name: "http", code: 0x01e0 },
];

const BY_NAME: ReadonlyMap<string, Protocol> = new Map(PROTOCOLS.map((one) => [one.name, one]));
const BY_CODE: ReadonlyMap<number, Protocol> = new Map(PROTOCOLS.map((one) => [one.code, one]));

export function protocolNamed(text: string): Protocol | undefined {
  return BY_NAME.get(text);
}

export function protocolOf(code: number): Protocol | undefined {
  return BY_CODE.get(code);
}

function isName(text: string): boolean {
  return text.length <= MAX_VALUE_BYTES && /^[\w.-]+$/.test(text);
}
