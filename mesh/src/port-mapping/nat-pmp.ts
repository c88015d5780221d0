/** NAT-PMP (RFC 6886): bytes ↔ fields. The protocol only supports IPv4. */
import type { AddressBytes } from "../ip/address.js";

const VERSION = 0;
const OPCODE_ADDRESS = 0;
const OPCODE_MAP_UDP = 1;
const IS_RESPONSE = 0x80;

/** An answer of the gateway. A result of 0 means success. */
export type NatPmpAnswer =
  | {
      readonly is: "address";
      readonly result: number;
      /** How long the gateway has had its mappings, in seconds (section 3.6). */
      readonly epochS: number;
      readonly address: AddressBytes;
    }
  | {
      readonly is: "map";
      readonly result: number;
      readonly epochS: number;
      readonly internalPort: number;
      readonly externalPort: number;
      readonly lifetimeS: number;
    };

/** Asks for the outside address. */
export function encodeNatPmpAddress(): Uint8Array {
  return Uint8Array.of(VERSION, OPCODE_ADDRESS);
}

/** @param lifetimeS - 0 removes the mapping; the external port is then 0 */
export function encodeNatPmpMap(internalPort: number, externalPort: number, lifetimeS: number): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes[1] = OPCODE_MAP_UDP;
  bytes.writeUInt16BE(internalPort, 4);
  bytes.writeUInt16BE(externalPort, 6);
  bytes.writeUInt32BE(lifetimeS, 8);
  return bytes;
}

/** @returns undefined for bytes that are not a NAT-PMP answer to one of these requests */
export function decodeNatPmp(bytes: Uint8Array): NatPmpAnswer | undefined {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view[0] !== VERSION || view.length < 8) return undefined;
  const result = view.readUInt16BE(2);
  const epochS = view.readUInt32BE(4);
  // A refusal may leave out the rest.
  if (
    view[1] === (IS_RESPONSE | OPCODE_ADDRESS) &&
    (view.length === 12 || (view.length === 8 && result !== 0))
  )
    return { is: "address", result, epochS, address: new Uint8Array(view.subarray(8, 12)) };
  if (view[1] !== (IS_RESPONSE | OPCODE_MAP_UDP) || view.length !== 16) return undefined;
  return {
    is: "map",
    result,
    epochS,
    internalPort: view.readUInt16BE(8),
    externalPort: view.readUInt16BE(10),
    lifetimeS: view.readUInt32BE(12),
  };
}
