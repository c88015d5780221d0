/** The Port Control Protocol (RFC 6887): bytes ↔ fields. */
import { type AddressBytes, unmapped } from "../ip/address.js";

/** The port where a gateway listens for PCP and NAT-PMP. */
export const GATEWAY_PORT = 5351;

const VERSION = 2;
const OPCODE_ANNOUNCE = 0;
const OPCODE_MAP = 1;
const IS_RESPONSE = 0x80;
const HEAD_BYTES = 24;
const MAP_BYTES = 36;
const NONCE_BYTES = 12;
/** The maximum length of a message (RFC 6887, section 7). */
const MAX_BYTES = 1100;
const UDP = 17;

/** The result codes that matter here (RFC 6887, section 7.4). */
export const PcpResult = { Success: 0, UnsupportedVersion: 1, CannotProvideExternal: 11 } as const;

/** A request for a mapping. */
export interface PcpMap {
  /** The own address. The request must come from this address. */
  readonly client: AddressBytes;
  readonly nonce: Uint8Array;
  /** 0 removes the mapping. */
  readonly lifetimeS: number;
  readonly internalPort: number;
  /** The wanted port; 0 for any. */
  readonly externalPort: number;
}

/** An answer of the gateway. */
export type PcpAnswer =
  | { readonly is: "announce"; readonly result: number; readonly epochS: number }
  | {
      readonly is: "map";
      readonly result: number;
      /** How long the gateway has had its mappings, in seconds (section 8.5). */
      readonly epochS: number;
      readonly nonce: Uint8Array;
      readonly lifetimeS: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly address: AddressBytes;
    };

/** Asks whether the gateway supports PCP. */
export function encodePcpAnnounce(client: AddressBytes): Uint8Array {
  return head(OPCODE_ANNOUNCE, 0, client);
}

export function encodePcpMap({ client, nonce, lifetimeS, internalPort, externalPort }: PcpMap): Uint8Array {
  const body = Buffer.alloc(MAP_BYTES);
  body.set(nonce.subarray(0, NONCE_BYTES), 0);
  body[NONCE_BYTES] = UDP;
  body.writeUInt16BE(internalPort, 16);
  body.writeUInt16BE(externalPort, 18);
  // No wanted address: all zeros, in the family of the mapping (section 11.1).
  if (client.length === 4) body.set(mapped(new Uint8Array(4)), 20);
  return Buffer.concat([head(OPCODE_MAP, lifetimeS, client), body]);
}

/** @returns undefined for bytes that are not a PCP version 2 answer to one of these requests */
export function decodePcp(bytes: Uint8Array): PcpAnswer | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEAD_BYTES || view.length > MAX_BYTES || view.length % 4 !== 0) return undefined;
  if (view[0] !== VERSION) return undefined;
  const result = view[3] ?? 0;
  const epochS = view.readUInt32BE(8);
  if (view[1] === (IS_RESPONSE | OPCODE_ANNOUNCE)) return { is: "announce", result, epochS };
  if (view[1] !== (IS_RESPONSE | OPCODE_MAP) || view.length < HEAD_BYTES + MAP_BYTES) return undefined;
  const body = view.subarray(HEAD_BYTES);
  if (body[NONCE_BYTES] !== UDP) return undefined;
  return {
    is: "map",
    result,
    epochS,
    nonce: new Uint8Array(body.subarray(0, NONCE_BYTES)),
    lifetimeS: view.readUInt32BE(4),
    internalPort: body.readUInt16BE(16),
    externalPort: body.readUInt16BE(18),
    address: unmapped(new Uint8Array(body.subarray(20, 36))),
  };
}

function head(opcode: number, lifetimeS: number, client: AddressBytes): Buffer {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes[0] = VERSION;
  bytes[1] = opcode;
  bytes.writeUInt32BE(lifetimeS, 4);
  bytes.set(client.length === 4 ? mapped(client) : client, 8);
  return bytes;
}

/** An IPv4 address in IPv6 form. */
function mapped(address: AddressBytes): Uint8Array {
  const bytes = new Uint8Array(16).fill(0xff, 10, 12);
  bytes.set(address, 12);
  return bytes;
}
