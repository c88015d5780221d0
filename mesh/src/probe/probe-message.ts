import type { Endpoint } from "../ip/endpoint.js";
import { type ProbeKeys, TAG_BYTES } from "./probe-keys.js";
import {
  type Attribute,
  HEADER_BYTES,
  INTEGRITY_BYTES,
  type StunMessage,
  StunType,
  writeStun,
  xorMappedAddress,
} from "./stun-message.js";
import type { View } from "./view.js";

/**
 * Attributes of this package. They are in the range that other programs skip (comprehension-optional, RFC 8489, section
 * 14). None of the four numbers is registered.
 *
 * | attribute | bytes | holds | in |
 * | --- | --- | --- | --- |
 * | tag | 8 | whose probe it is, and to whom | requests |
 * | session | 16 | flags (1), zeros (3), boot (8), counter (4) | requests, answers |
 * | padding | any | zeros, so that the packet has a wanted length | requests |
 * | sealed | 40 to 1300 | a message for the peer | requests |
 *
 * A request has tag, session, then sealed or padding if needed, then integrity. An answer has XOR-MAPPED-ADDRESS,
 * session (with counter 0), integrity. An answer is 12 bytes longer than the shortest request over IPv6, and equally
 * long over IPv4. So answers are no better for flooding than requests.
 */
export const ProbeAttribute = { Tag: 0xfd00, Session: 0xfd01, Padding: 0xfd02, Sealed: 0xfd03 } as const;

const SESSION_BYTES = 16;

/** The maximum length of a padded packet: that of Ethernet. */
const MAX_PADDED_BYTES = 1500;

const Flag = { IsProven: 1, IsChosen: 2, AsksForHandshake: 4, IsHigher: 128 } as const;

/** The content of every probe and answer. */
export interface Session {
  /** Grows with every start of the sender; 64 bits. */
  readonly boot: bigint;
  /** Grows with every probe to this peer within a boot; 32 bits. */
  readonly counter: number;
  readonly view: View;
  /** Whether the sender has the higher key. So a packet that is sent back to its sender never counts as an answer. */
  readonly isHigher: boolean;
}

/** The input of a probe. */
export interface Probe extends Omit<Session, "isHigher"> {
  /** 12 random bytes. */
  readonly transaction: Uint8Array;
  /** From `seal`. */
  readonly sealed?: Uint8Array | undefined;
  /**
   * The minimum length of the UDP payload in bytes, in steps of 4. Used to find out how long packets on a path may be.
   */
  readonly bytes?: number | undefined;
}

/** Writes a probe. */
export function writeProbe(
  keys: ProbeKeys,
  { transaction, sealed, bytes = 0, ...session }: Probe,
): Uint8Array {
  const attributes: Attribute[] = [
    [ProbeAttribute.Tag, keys.ownTag],
    [ProbeAttribute.Session, sessionValue({ ...session, isHigher: keys.isHigher })],
  ];
  if (sealed !== undefined) attributes.push([ProbeAttribute.Sealed, sealed]);
  const length = attributes.reduce(
    (sum, [, value]) => sum + 4 + Math.ceil(value.length / 4) * 4,
    HEADER_BYTES + INTEGRITY_BYTES,
  );
  const missing = Math.min(bytes, MAX_PADDED_BYTES) - length - 4;
  if (missing >= 0) attributes.push([ProbeAttribute.Padding, new Uint8Array(missing & ~3)]);
  return writeStun(StunType.BindingRequest, transaction, attributes, keys.integrity);
}

/** Writes the answer to a probe. */
export function writeAnswer(
  keys: ProbeKeys,
  answer: { transaction: Uint8Array; boot: bigint; view: View; seen: Endpoint },
): Uint8Array {
  const { transaction, boot, view, seen } = answer;
  const session = sessionValue({ boot, counter: 0, view, isHigher: keys.isHigher });
  return writeStun(
    StunType.BindingSuccess,
    transaction,
    [xorMappedAddress(seen, transaction), [ProbeAttribute.Session, session]],
    keys.integrity,
  );
}

/** The tag that a message claims, as {@link tagNumber} converts it; undefined for other messages. */
export function tagOf(message: StunMessage): bigint | undefined {
  if (message.type !== StunType.BindingRequest) return undefined;
  const value = message.attribute(ProbeAttribute.Tag);
  return value?.length === TAG_BYTES ? tagNumber(value) : undefined;
}

/** A tag as a key for a map. */
export function tagNumber(tag: Uint8Array): bigint {
  return viewOf(tag).getBigUint64(0);
}

/** The session in a probe or an answer, not proven before its integrity is checked. */
export function sessionOf(message: StunMessage): Session | undefined {
  const value = message.attribute(ProbeAttribute.Session);
  if (value?.length !== SESSION_BYTES) return undefined;
  const bytes = viewOf(value);
  const flags = bytes.getUint8(0);
  return {
    boot: bytes.getBigUint64(4),
    counter: bytes.getUint32(12),
    view: {
      isProven: (flags & Flag.IsProven) !== 0,
      isChosen: (flags & Flag.IsChosen) !== 0,
      asksForHandshake: (flags & Flag.AsksForHandshake) !== 0,
    },
    isHigher: (flags & Flag.IsHigher) !== 0,
  };
}

function sessionValue({ boot, counter, view, isHigher }: Session): Uint8Array {
  const value = new Uint8Array(SESSION_BYTES);
  const bytes = viewOf(value);
  bytes.setUint8(
    0,
    (view.isProven ? Flag.IsProven : 0) |
      (view.isChosen ? Flag.IsChosen : 0) |
      (view.asksForHandshake ? Flag.AsksForHandshake : 0) |
      (isHigher ? Flag.IsHigher : 0),
  );
  bytes.setBigUint64(4, boot);
  bytes.setUint32(12, counter);
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
