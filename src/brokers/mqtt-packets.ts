import { utf8ToBytes } from "@noble/hashes/utils.js";

/** The packets that a session sends to its broker, as bytes of MQTT 3.1.1. */

/** The packet types (MQTT 3.1.1, section 2.2.1). */
export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
} as const;

/** The content of a CONNECT packet. */
export interface Greeting {
  readonly clientId: string;
  /** After one and a half times this time without a packet from the client, the broker may end the session, in s. */
  readonly keepAliveS: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** The protocol's name and level, for MQTT 3.1.1. */
const PROTOCOL = Uint8Array.of(0, 4, 0x4d, 0x51, 0x54, 0x54, 4);

const CLEAN_SESSION = 0x02;
const HAS_PASSWORD = 0x40;
const HAS_USERNAME = 0x80;

export function connectPacket({ clientId, keepAliveS, username, password }: Greeting): Uint8Array {
  // A password requires a user name (MQTT 3.1.1, section 3.1.2.9), so an empty one is sent.
  const user = username ?? (password === undefined ? undefined : "");
  const flags =
    CLEAN_SESSION | (user === undefined ? 0 : HAS_USERNAME) | (password === undefined ? 0 : HAS_PASSWORD);
  const texts = [clientId, user, password].flatMap((text) => (text === undefined ? [] : string(text)));
  return packet(PacketType.Connect << 4, PROTOCOL, Uint8Array.of(flags), uint16(keepAliveS), ...texts);
}

/** The maximum number of topics in one SUBSCRIBE or UNSUBSCRIBE. */
export const MAX_TOPICS = 64;

/** Subscribes to topics at QoS 1. */
export function subscribePacket(id: number, topics: readonly string[]): Uint8Array {
  const filters = topics.flatMap((topic) => [...string(topic), Uint8Array.of(1)]);
  return packet((PacketType.Subscribe << 4) | 2, uint16(id), ...filters);
}

/** Unsubscribes from topics. */
export function unsubscribePacket(id: number, topics: readonly string[]): Uint8Array {
  return packet((PacketType.Unsubscribe << 4) | 2, uint16(id), ...topics.flatMap(string));
}

/** Publishes a message at QoS 0. */
export function publishPacket(topic: string, payload: Uint8Array): Uint8Array {
  return packet(PacketType.Publish << 4, ...string(topic), payload);
}

/** Acknowledges a message that came at QoS 1. */
export function pubackPacket(id: number): Uint8Array {
  return packet(PacketType.Puback << 4, uint16(id));
}

export const PINGREQ: Uint8Array = packet(PacketType.Pingreq << 4);

export const DISCONNECT: Uint8Array = packet(PacketType.Disconnect << 4);

function packet(first: number, ...body: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of body) length += part.length;
  const head = [first];
  let left = length;
  do {
    const digit = left % 128;
    left = (left - digit) / 128;
    head.push(left > 0 ? digit + 128 : digit);
  } while (left > 0);
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const part of body) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A text after its length. */
function string(text: string): [Uint8Array, Uint8Array] {
  const bytes = utf8ToBytes(text);
  return [uint16(bytes.length), bytes];
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 255);
}
