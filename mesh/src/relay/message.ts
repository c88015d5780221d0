import { parseAddress, unmapped } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";
import { formatKey, KEY_BYTES, parseKey } from "../wireguard-key.js";

/** Why a relay does not relay: as {@link RelayMessage}'s `refused` has it. */
export type Refusal =
  /** It is no relay, or no longer. */
  | "off"
  /** The other one is no peer of it. */
  | "no-peer"
  /** It has no direct path to one of the two: relays are not put one behind the other. */
  | "no-path"
  /** The two have no overlay addresses of one family with it. */
  | "no-address"
  /** It relays for as many pairs as it may. */
  | "full"
  /** It could not open a port. */
  | "failed";

/**
 * What a relay and those it relays for tell each other. `peer` is the other one of the pair, base64; `id` is that of the
 * pair's place at the relay.
 */
export type RelayMessage =
  /** Relay between the sender and this peer. */
  | { readonly type: "request"; readonly peer: string }
  /** There is a place for the two: in the tunnel to the relay, at this endpoint. */
  | { readonly type: "allocated"; readonly peer: string; readonly id: bigint; readonly endpoint: Endpoint }
  | { readonly type: "refused"; readonly peer: string; readonly reason: Refusal }
  /** The sender is where this comes from. It is sent to the endpoint of the place itself. */
  | { readonly type: "bind"; readonly id: bigint }
  /** The place is given up, by either side. */
  | { readonly type: "released"; readonly peer: string; readonly id: bigint };

/**
 * ```text
 * 0   kind, 2: an announce has its version 1 there
 * 1   type
 * 2   request:   key of the peer, 32 bytes
 *     allocated: key, id 8, port 2, address 4 or 16      all numbers big-endian
 *     refused:   key, reason 1
 *     bind:      id
 *     released:  key, id
 * ```
 * Each has one length alone, but for the two of an address.
 */
const KIND = 2;
const HEAD_BYTES = 2;
const ID_BYTES = 8;
const KEY_END = HEAD_BYTES + KEY_BYTES;

const Type = { Request: 1, Allocated: 2, Refused: 3, Bind: 4, Released: 5 } as const;

/** By their numbers, from 1. */
const REFUSALS: readonly Refusal[] = ["off", "no-peer", "no-path", "no-address", "full", "failed"];

/** Whether something told is one of these, and no announce. */
export function isRelayMessage(bytes: Uint8Array): boolean {
  return bytes[0] === KIND;
}

export function encodeRelayMessage(message: RelayMessage): Uint8Array {
  switch (message.type) {
    case "request":
      return bytesOf(Type.Request, parseKey(message.peer));
    case "allocated": {
      const { address, port } = message.endpoint;
      const to = Uint8Array.of(port >> 8, port & 0xff);
      const place = parseAddress(address) ?? new Uint8Array();
      return bytesOf(Type.Allocated, parseKey(message.peer), idBytes(message.id), to, place);
    }
    case "refused":
      return bytesOf(
        Type.Refused,
        parseKey(message.peer),
        Uint8Array.of(REFUSALS.indexOf(message.reason) + 1),
      );
    case "bind":
      return bytesOf(Type.Bind, idBytes(message.id));
    case "released":
      return bytesOf(Type.Released, parseKey(message.peer), idBytes(message.id));
  }
}

/** @returns undefined for what is none, or is not in its one spelling */
export function decodeRelayMessage(bytes: Uint8Array): RelayMessage | undefined {
  if (!isRelayMessage(bytes)) return undefined;
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[1] === Type.Bind) {
    if (bytes.length !== HEAD_BYTES + ID_BYTES) return undefined;
    return { type: "bind", id: view.readBigUInt64BE(HEAD_BYTES) };
  }
  if (bytes.length < KEY_END) return undefined;
  const peer = formatKey(bytes.subarray(HEAD_BYTES, KEY_END));
  const rest = view.subarray(KEY_END);
  switch (bytes[1]) {
    case Type.Request:
      return rest.length === 0 ? { type: "request", peer } : undefined;
    case Type.Allocated:
      return allocatedOf(peer, rest);
    case Type.Refused: {
      const reason = rest.length === 1 ? REFUSALS[(rest[0] ?? 0) - 1] : undefined;
      return reason && { type: "refused", peer, reason };
    }
    case Type.Released:
      return rest.length === ID_BYTES ? { type: "released", peer, id: rest.readBigUInt64BE(0) } : undefined;
    default:
      return undefined;
  }
}

function allocatedOf(peer: string, rest: Buffer): RelayMessage | undefined {
  const length = rest.length - ID_BYTES - 2;
  if (length !== 4 && length !== 16) return undefined;
  const address = new Uint8Array(rest.subarray(ID_BYTES + 2));
  const endpoint = endpointOf(address, rest.readUInt16BE(ID_BYTES));
  // An IPv4 address within IPv6 would be a second spelling.
  if (endpoint === undefined || unmapped(address).length !== length) return undefined;
  return { type: "allocated", peer, id: rest.readBigUInt64BE(0), endpoint };
}

function bytesOf(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(KIND, type), ...parts]);
}

function idBytes(id: bigint): Uint8Array {
  const bytes = Buffer.alloc(ID_BYTES);
  bytes.writeBigUInt64BE(id);
  return bytes;
}
