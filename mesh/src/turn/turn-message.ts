import { randomBytes } from "node:crypto";
import type { Endpoint } from "../ip/endpoint.js";
import {
  type Attribute,
  addressValue,
  StunMessage,
  TRANSACTION_BYTES,
  writeStun,
  xoredAddressValue,
} from "../probe/stun-message.js";

/** The methods of TURN (RFC 8656, section 17). A method and a class make the type of a message. */
export const TurnMethod = {
  Allocate: 0x003,
  Refresh: 0x004,
  CreatePermission: 0x008,
  ChannelBind: 0x009,
} as const;

export type TurnMethod = (typeof TurnMethod)[keyof typeof TurnMethod];

/** The class that is added to a method (RFC 8489, section 5). */
export const TurnClass = { Request: 0x000, Success: 0x100, Error: 0x110 } as const;

const SEND_INDICATION = 0x0016;
const DATA_INDICATION = 0x0017;

/** The attribute types: RFC 8656, section 18, and RFC 8489, section 14, for the credentials. */
export const TurnAttribute = {
  Username: 0x0006,
  ChannelNumber: 0x000c,
  Lifetime: 0x000d,
  XorPeerAddress: 0x0012,
  Data: 0x0013,
  Realm: 0x0014,
  Nonce: 0x0015,
  XorRelayedAddress: 0x0016,
  RequestedAddressFamily: 0x0017,
  RequestedTransport: 0x0019,
  AlternateServer: 0x8023,
} as const;

/** The numbers of channels (RFC 8656, section 12). */
export const CHANNELS = { first: 0x4000, last: 0x4fff } as const;

const CHANNEL_HEAD_BYTES = 4;
const UDP = 17;
const FAMILY_IPV6 = 2;

/** Data that a peer sent to the relayed address. */
export interface FromPeer {
  readonly peer: Endpoint;
  readonly data: Uint8Array;
}

/** Data that came by a channel. */
export interface FromChannel {
  readonly channel: number;
  readonly data: Uint8Array;
}

export function lifetime(seconds: number): Attribute {
  const value = new Uint8Array(4);
  new DataView(value.buffer).setUint32(0, seconds);
  return [TurnAttribute.Lifetime, value];
}

/** The lifetime in seconds; undefined when there is none. */
export function lifetimeIn(message: StunMessage): number | undefined {
  const value = message.attribute(TurnAttribute.Lifetime);
  if (value?.length !== 4) return undefined;
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}

/** Requests a relayed address for UDP. */
export function requestedTransport(): Attribute {
  return [TurnAttribute.RequestedTransport, Uint8Array.of(UDP, 0, 0, 0)];
}

/** Requests a relayed IPv6 address. Without this attribute it is an IPv4 address. */
export function requestedIPv6(): Attribute {
  return [TurnAttribute.RequestedAddressFamily, Uint8Array.of(FAMILY_IPV6, 0, 0, 0)];
}

export function channelNumber(channel: number): Attribute {
  return [TurnAttribute.ChannelNumber, Uint8Array.of(channel >> 8, channel & 0xff, 0, 0)];
}

export function xorPeerAddress(peer: Endpoint, transaction: Uint8Array): Attribute {
  return [TurnAttribute.XorPeerAddress, xoredAddressValue(peer, transaction)];
}

/** The server to use instead. */
export function alternateServer(server: Endpoint): Attribute {
  return [TurnAttribute.AlternateServer, addressValue(server)];
}

/** Asks the server to send data to a peer without a channel. */
export function writeSend(peer: Endpoint, data: Uint8Array): Uint8Array {
  const transaction = new Uint8Array(randomBytes(TRANSACTION_BYTES));
  return writeStun(SEND_INDICATION, transaction, [
    xorPeerAddress(peer, transaction),
    [TurnAttribute.Data, data],
  ]);
}

/** @returns undefined for any other message */
export function readData(message: StunMessage): FromPeer | undefined {
  if (message.type !== DATA_INDICATION) return undefined;
  const peer = message.xoredAddressIn(TurnAttribute.XorPeerAddress);
  const data = message.attribute(TurnAttribute.Data);
  return peer === undefined || data === undefined ? undefined : { peer, data };
}

/** The head of data in a channel: the channel's number and the length of the data. */
export function channelHead(channel: number, bytes: number): Uint8Array {
  return Uint8Array.of(channel >> 8, channel & 0xff, bytes >> 8, bytes & 0xff);
}

/**
 * ```text
 * 0   channel, 2      all numbers big-endian
 * 2   length, 2
 * 4   data, and up to 3 bytes that fill up to a multiple of 4
 * ```
 * @returns undefined for bytes that are not channel data. The data is not copied
 */
export function readChannel(bytes: Buffer): FromChannel | undefined {
  if (bytes.length < CHANNEL_HEAD_BYTES) return undefined;
  const channel = bytes.readUInt16BE(0);
  if (channel < CHANNELS.first || channel > CHANNELS.last) return undefined;
  const end = CHANNEL_HEAD_BYTES + bytes.readUInt16BE(2);
  if (end > bytes.length || bytes.length - end > 3) return undefined;
  return { channel, data: bytes.subarray(CHANNEL_HEAD_BYTES, end) };
}

/** Reads a message of the server that is not channel data. */
export function readMessage(bytes: Uint8Array): StunMessage | undefined {
  return StunMessage.read(bytes);
}
