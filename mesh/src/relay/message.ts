import { parseAddress, unmapped } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";
import { formatKey, KEY_BYTES, parseKey } from "../wireguard-key.js";

/** The reason of a `refused` {@link RelayMessage}. */
export type Refusal =
  /** The host is not a relay, or not any more. */
  | "off"
  /** The other host is not a peer of the relay. */
  | "no-peer"
  /** The relay has no direct path to one of the two peers. Relays are never chained. */
  | "no-path"
  /** The two peers have no overlay address of the same family as the relay. */
  | "no-address"
  /** The relay has reached its maximum number of pairs. */
  | "full"
  /** The relay could not open a port. */
  | "failed";

/**
 * The messages between a relay and the peers that use it. `peer` is the other peer of the pair, in base64. `id`
 * identifies the pair's place at the relay.
 */
export type RelayMessage =
  /** Asks the relay for a place for the sender and this peer. */
  | { readonly type: "request"; readonly peer: string }
  /** There is a place for the two peers: at this endpoint, in the tunnel to the relay. */
  | { readonly type: "allocated"; readonly peer: string; readonly id: bigint; readonly endpoint: Endpoint }
  | { readonly type: "refused"; readonly peer: string; readonly reason: Refusal }
  /** Tells the place where its sender is. Sent to the endpoint of the place itself. */
  | { readonly type: "bind"; readonly id: bigint }
  /** Either side gives up the place. */
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
 * Each message has a fixed length, apart from the two lengths of an address.
 */
const KIND = 2;
const HEAD_BYTES = 2;
const ID_BYTES = 8;
const KEY_END = HEAD_BYTES + KEY_BYTES;

const Type = { Request: 1, Allocated: 2, Refused: 3, Bind: 4, Released: 5 } as const;

/** The reasons by number, from 1. */
const REFUSALS: readonly Refusal[] = ["off", "no-peer", "no-path", "no-address", "full", "failed"];

/** Whether a message is one of these. */
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

/** @returns undefined for other bytes, and for an encoding that is not the only valid one */
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
  // An IPv4 address in IPv6 form would be a second encoding.
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
