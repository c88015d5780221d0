import { bytesToHex, createView, hexToBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { be, bytes, check, record, type Schema, viewOf, whole } from "../base/schema.js";
import type { Verify } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "./address.js";
import { type Identity, SIGNATURE_BYTES } from "./identity.js";

/** The purpose of a packet. */
export const MessageType = {
  /** Carries a message and asks for an ACK. */
  Message: 1,
  /** Acknowledges the message or probe with the same queue id and sequence number. */
  Ack: 2,
  /** Carries no message and asks for an ACK: is this peer there? */
  Probe: 3,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** The length of a queue id in bytes. */
export const QUEUE_ID_BYTES = 32;

/** The highest sequence number. A queue that has used this number is full. */
export const MAX_SEQUENCE = 0xffff_ffff;

// The offsets of the fields. All numbers are big-endian. The signature covers everything from the queue id on.
const SIGNATURE_AT: number = PUBLIC_KEY_BYTES;
const QUEUE_ID_AT: number = SIGNATURE_AT + SIGNATURE_BYTES;
const SEQUENCE_AT: number = QUEUE_ID_AT + QUEUE_ID_BYTES;
const TIMESTAMP_AT: number = SEQUENCE_AT + 4;
const TYPE_AT: number = TIMESTAMP_AT + 8;

/** The length of a packet with an empty message, in bytes. */
export const PACKET_OVERHEAD: number = TYPE_AT + 1;

/** The fields of a packet that the sender chooses. */
export interface PacketFields {
  /** The id of the queue: 64 hex characters, chosen at random for each queue. */
  readonly queueId: string;
  /** The sequence number in the queue: 0 to 2^32 - 1. */
  readonly sequence: number;
  /** The time of the packet: Unix time in whole seconds. */
  readonly timestamp: number;
  /** The purpose of the packet. */
  readonly type: MessageType;
  /** The message; may be empty. */
  readonly message: Uint8Array;
}

/**
 * The payload of every publish: a message signed by one key.
 *
 * @example
 * ```ts
 * const payload = await AppPacket.pack(
 *   { queueId: "00".repeat(32), sequence: 0, timestamp: 1_700_000_000, type: MessageType.Message,
 *     message: new TextEncoder().encode("hello") },
 *   keys,
 * );
 * const packet = await AppPacket.unpack(payload);
 * console.log(packet?.source === keys.publicKeyHex); // true
 * ```
 */
export class AppPacket implements PacketFields {
  /** The sender's address: 66 hex characters. */
  readonly source: string;
  readonly queueId: string;
  readonly sequence: number;
  readonly timestamp: number;
  readonly type: MessageType;
  readonly message: Uint8Array;
  readonly #payload: Uint8Array;

  private constructor(payload: Uint8Array, type: MessageType) {
    const view = createView(payload);
    this.source = bytesToHex(payload.subarray(0, PUBLIC_KEY_BYTES));
    this.queueId = bytesToHex(payload.subarray(QUEUE_ID_AT, SEQUENCE_AT));
    this.sequence = view.getUint32(SEQUENCE_AT);
    this.timestamp = view.getUint32(TIMESTAMP_AT) * 2 ** 32 + view.getUint32(TIMESTAMP_AT + 4);
    this.type = type;
    // A copy, because the payload may be a view into a larger buffer that somebody reuses.
    this.message = payload.slice(PACKET_OVERHEAD);
    this.#payload = payload;
  }

  /**
   * Packs and signs a packet.
   * @param fields - the fields of the packet
   * @param identity - signs the packet; its public key becomes the source
   * @returns the payload to publish: 142 bytes, then the message
   * @throws {@link InvalidInputError} `INVALID_PACKET` when a field is out of range, or the signer returns no 64-byte
   * signature
   */
  static async pack(fields: PacketFields, identity: Identity): Promise<Uint8Array> {
    const { queueId, sequence, timestamp, type, message } = readFields(fields, "INVALID_PACKET", "");
    const { publicKey, sign } = Object(identity);
    const source = viewOf(publicKey);
    check(
      source?.length === PUBLIC_KEY_BYTES,
      "INVALID_PACKET",
      "identity.publicKey",
      `${PUBLIC_KEY_BYTES} bytes`,
    );
    check(typeof sign === "function", "INVALID_PACKET", "identity.sign", "a function");

    const payload = new Uint8Array(PACKET_OVERHEAD + message.length);
    const view = createView(payload);
    payload.set(source, 0);
    payload.set(hexToBytes(queueId), QUEUE_ID_AT);
    view.setUint32(SEQUENCE_AT, sequence);
    view.setBigUint64(TIMESTAMP_AT, BigInt(timestamp));
    payload[TYPE_AT] = type;
    payload.set(message, PACKET_OVERHEAD);

    const signature = viewOf(await identity.sign(payload.subarray(QUEUE_ID_AT)));
    check(
      signature?.length === SIGNATURE_BYTES,
      "INVALID_PACKET",
      "identity.sign",
      `a signature of ${SIGNATURE_BYTES} bytes`,
    );
    payload.set(signature, SIGNATURE_AT);
    return payload;
  }

  /**
   * Reads a packet and verifies its signature. Never throws, whatever the bytes are.
   * @returns the packet; `null` when the packet is malformed or the source did not sign it
   */
  static async unpack(payload: Uint8Array): Promise<AppPacket | null> {
    const packet = AppPacket.parse(payload);
    return packet !== null && (await packet.verify(platform.createVerify())) ? packet : null;
  }

  /**
   * Reads the fields of a packet without verifying the signature.
   * @returns the packet, which must not be trusted before {@link verify}; `null` when the packet is malformed
   * @internal
   */
  static parse(payload: Uint8Array): AppPacket | null {
    const view = viewOf(payload);
    if (view === undefined || view.length < PACKET_OVERHEAD) return null;
    const prefix = view[0];
    const type = view[TYPE_AT];
    if ((prefix !== 2 && prefix !== 3) || !isMessageType(type)) return null;
    return new AppPacket(view, type);
  }

  /** Whether the source signed the packet. @internal */
  verify(verify: Verify): boolean | Promise<boolean> {
    const payload = this.#payload;
    return verify(
      payload.subarray(SIGNATURE_AT, QUEUE_ID_AT),
      payload.subarray(QUEUE_ID_AT),
      payload.subarray(0, PUBLIC_KEY_BYTES),
    );
  }
}

function isMessageType(value: unknown): value is MessageType {
  return value === MessageType.Message || value === MessageType.Ack || value === MessageType.Probe;
}

const readFields: Schema<PacketFields> = record<PacketFields>(
  {
    queueId: be(
      "64 hex characters",
      (value): value is string => typeof value === "string" && /^[0-9a-f]{64}$/i.test(value),
    ),
    sequence: whole(0, MAX_SEQUENCE),
    timestamp: whole(0, Number.MAX_SAFE_INTEGER),
    type: be("a MessageType", isMessageType),
    message: bytes,
  },
  "fields",
);
