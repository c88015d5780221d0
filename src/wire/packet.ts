import { bytesToHex, createView, hexToBytes } from "@noble/hashes/utils.js";
import { platform } from "#platform";
import { be, bytes, check, record, type Schema, viewOf, whole } from "../base/schema.js";
import type { Verify } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "./address.js";
import { type Identity, SIGNATURE_BYTES } from "./identity.js";

/** What a packet is for. */
export const MessageType = {
  /** Carries a message and asks for an ACK. */
  Message: 1,
  /** Acknowledges the message or probe with the same queue id and sequence number. */
  Ack: 2,
  /** Asks for an ACK and nothing else: is this peer there? */
  Probe: 3,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Bytes of a queue id. */
export const QUEUE_ID_BYTES = 32;

/** The highest sequence number; a queue that has used it is at its end. */
export const MAX_SEQUENCE = 0xffff_ffff;

// Offsets of the fields, all big-endian; the signature covers everything from the queue id on.
const SIGNATURE_AT: number = PUBLIC_KEY_BYTES;
const QUEUE_ID_AT: number = SIGNATURE_AT + SIGNATURE_BYTES;
const SEQUENCE_AT: number = QUEUE_ID_AT + QUEUE_ID_BYTES;
const TIMESTAMP_AT: number = SEQUENCE_AT + 4;
const TYPE_AT: number = TIMESTAMP_AT + 8;

/** Bytes of a packet with an empty message. */
export const PACKET_OVERHEAD: number = TYPE_AT + 1;

/** The fields that a sender chooses. */
export interface PacketFields {
  /** 64 hex characters, chosen at random for each queue. */
  readonly queueId: string;
  /** 0 … 2^32 - 1. */
  readonly sequence: number;
  /** Unix time in whole seconds. */
  readonly timestamp: number;
  /** What it is for. */
  readonly type: MessageType;
  /** What it says; may be empty. */
  readonly message: Uint8Array;
}

/**
 * What every publish carries: a signed message from one key.
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
    // Bytes of its own: what came in may be a view into something larger.
    this.message = payload.slice(PACKET_OVERHEAD);
    this.#payload = payload;
  }

  /**
   * Packs and signs.
   * @returns the payload to publish: 142 bytes and the message
   * @throws {@link InvalidInputError} `INVALID_PACKET` for a field out of range or a signer that gives no signature
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
   * Reads and verifies. Never throws for any bytes.
   * @returns the packet, or `null` when it is malformed or its signature is not the source's
   */
  static async unpack(payload: Uint8Array): Promise<AppPacket | null> {
    const packet = AppPacket.parse(payload);
    return packet !== null && (await packet.verify(platform.createVerify())) ? packet : null;
  }

  /**
   * Reads the fields without verifying the signature.
   * @returns the packet, not to be trusted before {@link verify}, or `null` when it is malformed
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

  /** Whether the source signed it. @internal */
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
