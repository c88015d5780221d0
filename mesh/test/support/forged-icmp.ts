/** ICMP errors that nobody has a reason to send: whole packets, for raw-sender.py. */
import { parseAddress } from "../../src/ip/address.js";

/** Where one end of a UDP flow is. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** The flow that an error is about, as seen where the error arrives: what its receiver has sent. */
export interface Flow {
  readonly from: End;
  readonly to: End;
}

const UDP = 17;
const ICMP = { 4: 1, 6: 58 } as const;
const QUOTED_BYTES = 64;

/** An error: its type and code, and the four bytes behind the checksum: an MTU, or a router for a redirect in IPv4. */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly rest?: Uint8Array;
}

/** All errors about a packet that end or change something, with a few MTUs that are as small as they can be. */
export function errorsOf(family: 4 | 6, router: string): IcmpError[] {
  const rest = parseAddress(router);
  if (family === 6)
    return [
      ...[0, 1, 3, 4, 5].map((code) => ({ type: 1, code })),
      ...[68, 552, 1000, 1280].map((mtu) => ({ type: 2, code: 0, rest: word(mtu) })),
      ...[0, 1].map((code) => ({ type: 3, code })),
      ...[0, 1].map((code) => ({ type: 4, code })),
    ];
  return [
    ...[0, 1, 2, 3, 5, 9, 10, 13].map((code) => ({ type: 3, code })),
    ...[0, 68, 552, 1000].map((mtu) => ({ type: 3, code: 4, rest: word(mtu) })),
    { type: 4, code: 0 },
    ...[0, 1].map((code) => ({ type: 5, code, ...(rest && { rest }) })),
    ...[0, 1].map((code) => ({ type: 11, code })),
    { type: 12, code: 0 },
  ];
}

/** @param sender - who says so, in the packet @returns hexadecimal */
export function forge(sender: string, { from, to }: Flow, { type, code, rest }: IcmpError): string {
  const [own = new Uint8Array(4), receiver = new Uint8Array(4), far = new Uint8Array(4)] = [
    sender,
    from.address,
    to.address,
  ].map(parseAddress);
  const udp = Buffer.alloc(8 + QUOTED_BYTES);
  udp.writeUInt16BE(from.port, 0);
  udp.writeUInt16BE(to.port, 2);
  udp.writeUInt16BE(1480, 4);
  const quoted = Buffer.concat([header(receiver, far, UDP, 1480), udp]);
  const icmp = Buffer.concat([
    Buffer.from([type, code, 0, 0]),
    Buffer.from(rest ?? new Uint8Array(4)),
    quoted,
  ]);
  const protocol = receiver.length === 4 ? ICMP[4] : ICMP[6];
  const pseudo =
    receiver.length === 4 ? [] : [own, receiver, word(icmp.length), Uint8Array.of(0, 0, 0, protocol)];
  icmp.writeUInt16BE(checksum(Buffer.concat([...pseudo, icmp])), 2);
  return Buffer.concat([header(own, receiver, protocol, icmp.length), icmp]).toString("hex");
}

/** The header of a packet with so many bytes behind it. */
function header(from: Uint8Array, to: Uint8Array, protocol: number, length: number): Buffer {
  if (from.length === 16) {
    const head = Buffer.alloc(8);
    head[0] = 0x60;
    head.writeUInt16BE(length, 4);
    head[6] = protocol;
    head[7] = 64;
    return Buffer.concat([head, from, to]);
  }
  const head = Buffer.alloc(12);
  head[0] = 0x45;
  head.writeUInt16BE(20 + length, 2);
  // Don't fragment.
  head[6] = 0x40;
  head[8] = 64;
  head[9] = protocol;
  const whole = Buffer.concat([head, from, to]);
  whole.writeUInt16BE(checksum(whole), 10);
  return whole;
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function word(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
