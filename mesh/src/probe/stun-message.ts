import { createHmac, type KeyObject, timingSafeEqual } from "node:crypto";
import { parseAddress, unmapped } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";

/** Bytes 4 to 7 of every message (RFC 8489, section 5). */
export const MAGIC_COOKIE = 0x2112a442;
/** The length of the header: type, length, cookie, transaction. */
export const HEADER_BYTES = 20;
export const TRANSACTION_BYTES = 12;
/** The length of the attribute MESSAGE-INTEGRITY-SHA256, including its head. */
export const INTEGRITY_BYTES = 36;

/** The message types of the method Binding, by class (RFC 8489, section 5). */
export const StunType = {
  BindingRequest: 0x0001,
  BindingSuccess: 0x0101,
  BindingError: 0x0111,
} as const;

/** The attribute types: RFC 8489, section 14; RFC 5780, section 7, for the last two. */
export const StunAttribute = {
  MappedAddress: 0x0001,
  MessageIntegrity: 0x0008,
  ErrorCode: 0x0009,
  MessageIntegritySha256: 0x001c,
  XorMappedAddress: 0x0020,
  ChangeRequest: 0x0003,
  OtherAddress: 0x802c,
} as const;

/** A way of signing messages: the attribute, the hash function of its HMAC, and the length of its value in bytes. */
export interface Integrity {
  readonly attribute: number;
  readonly hash: "sha1" | "sha256";
  readonly bytes: number;
}

/** MESSAGE-INTEGRITY-SHA256 (RFC 8489, section 14.6), for probes between peers. */
export const SHA256_INTEGRITY: Integrity = {
  attribute: StunAttribute.MessageIntegritySha256,
  hash: "sha256",
  bytes: INTEGRITY_BYTES - 4,
};

/** MESSAGE-INTEGRITY (RFC 8489, section 14.5), for TURN servers. */
export const SHA1_INTEGRITY: Integrity = {
  attribute: StunAttribute.MessageIntegrity,
  hash: "sha1",
  bytes: 20,
};

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;

/**
 * A received STUN message (RFC 8489). It is read in place, and only the parts that are asked for, because most messages
 * of a flood are never read. The content is not proven before {@link isSignedBy} is true.
 */
export class StunMessage {
  readonly type: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  private constructor(bytes: Uint8Array, view: DataView) {
    this.#bytes = bytes;
    this.#view = view;
    this.type = view.getUint16(0);
  }

  /** @returns undefined unless the bytes are exactly one complete message */
  static read(bytes: Uint8Array): StunMessage | undefined {
    if (bytes.length < HEADER_BYTES || bytes.length % 4 !== 0 || (bytes[0] ?? 0xff) > 0x3f) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.getUint32(4) !== MAGIC_COOKIE) return undefined;
    if (HEADER_BYTES + view.getUint16(2) !== bytes.length) return undefined;
    let at = HEADER_BYTES;
    while (at < bytes.length) at += 4 + padded(view.getUint16(at + 2));
    if (at !== bytes.length) return undefined;
    // `new Uint8Array` makes a plain view: `slice` of a Buffer would not copy.
    return new StunMessage(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), view);
  }

  /** The 96 bits that an answer repeats. */
  get transaction(): Uint8Array {
    return this.#bytes.subarray(8, HEADER_BYTES);
  }

  /** The first attribute of this type. Attributes after the integrity are not covered by it, so they are ignored. */
  attribute(type: number): Uint8Array | undefined {
    const at = this.#find(type);
    return at === undefined ? undefined : this.#bytes.subarray(at + 4, at + 4 + this.#view.getUint16(at + 2));
  }

  /**
   * Whether the integrity attribute exists, has its full length, and was made with this key (RFC 8489, sections 14.5
   * and 14.6).
   */
  isSignedBy(key: KeyObject, { attribute, hash, bytes }: Integrity = SHA256_INTEGRITY): boolean {
    const at = this.#find(attribute);
    if (at === undefined || this.#view.getUint16(at + 2) !== bytes) return false;
    const end = at + 4 + bytes;
    const hmac = createHmac(hash, key);
    if (end === this.#bytes.length) {
      hmac.update(this.#bytes.subarray(0, at));
    } else {
      // The signed length ends with the integrity attribute; a FINGERPRINT was added after the signing.
      const head = this.#bytes.slice(0, HEADER_BYTES);
      new DataView(head.buffer).setUint16(2, end - HEADER_BYTES);
      hmac.update(head).update(this.#bytes.subarray(HEADER_BYTES, at));
    }
    return timingSafeEqual(hmac.digest(), this.#bytes.subarray(at + 4, end));
  }

  /** The address from which the answering side saw the request come. Old servers only send MAPPED-ADDRESS. */
  get mappedAddress(): Endpoint | undefined {
    const isXored = this.attribute(StunAttribute.XorMappedAddress) !== undefined;
    return isXored
      ? this.xoredAddressIn(StunAttribute.XorMappedAddress)
      : this.addressIn(StunAttribute.MappedAddress);
  }

  /** Reads an attribute with an address that is hidden by XOR. */
  xoredAddressIn(type: number): Endpoint | undefined {
    const value = this.attribute(type);
    return value === undefined ? undefined : readAddress(value, this.#bytes.subarray(4, HEADER_BYTES));
  }

  /** Reads an attribute with a plain address. */
  addressIn(type: number): Endpoint | undefined {
    const value = this.attribute(type);
    return value === undefined ? undefined : readAddress(value);
  }

  /** The number of ERROR-CODE, 300 to 699. Its text may be anything, and is not read. */
  get errorCode(): number | undefined {
    const value = this.attribute(StunAttribute.ErrorCode);
    if (value === undefined || value.length < 4) return undefined;
    const [, , hundreds = 0, rest = 0] = value;
    const code = (hundreds & 7) * 100 + rest;
    return rest <= 99 && code >= 300 && code <= 699 ? code : undefined;
  }

  #find(type: number): number | undefined {
    let at = HEADER_BYTES;
    while (at < this.#bytes.length) {
      const found = this.#view.getUint16(at);
      if (found === type) return at;
      if (found === StunAttribute.MessageIntegritySha256 || found === StunAttribute.MessageIntegrity)
        return undefined;
      at += 4 + padded(this.#view.getUint16(at + 2));
    }
    return undefined;
  }
}

/** An attribute: its type and its value without padding. */
export type Attribute = readonly [type: number, value: Uint8Array];

/**
 * Writes a message.
 * @param transaction - 12 bytes
 * @param key - signs the message; the integrity attribute comes last
 */
export function writeStun(
  type: number,
  transaction: Uint8Array,
  attributes: readonly Attribute[],
  key?: KeyObject,
  integrity: Integrity = SHA256_INTEGRITY,
): Uint8Array {
  const body = attributes.reduce((sum, [, value]) => sum + 4 + padded(value.length), 0);
  const signed = HEADER_BYTES + body;
  const bytes = new Uint8Array(signed + (key === undefined ? 0 : 4 + integrity.bytes));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, type);
  view.setUint16(2, bytes.length - HEADER_BYTES);
  view.setUint32(4, MAGIC_COOKIE);
  bytes.set(transaction, 8);
  let at = HEADER_BYTES;
  const write = (attribute: number, value: Uint8Array): void => {
    view.setUint16(at, attribute);
    view.setUint16(at + 2, value.length);
    bytes.set(value, at + 4);
    at += 4 + padded(value.length);
  };
  for (const [attribute, value] of attributes) write(attribute, value);
  if (key !== undefined)
    write(integrity.attribute, createHmac(integrity.hash, key).update(bytes.subarray(0, signed)).digest());
  return bytes;
}

/**
 * XOR-MAPPED-ADDRESS (RFC 8489, section 14.2). The XOR hides the address from NATs that rewrite every address they see.
 */
export function xorMappedAddress(endpoint: Endpoint, transaction: Uint8Array): Attribute {
  return [StunAttribute.XorMappedAddress, xoredAddressValue(endpoint, transaction)];
}

/** The value of an attribute with an address that is hidden by XOR. */
export function xoredAddressValue(endpoint: Endpoint, transaction: Uint8Array): Uint8Array {
  const value = addressValue(endpoint);
  const mask = maskOf(transaction);
  new DataView(value.buffer).setUint16(2, endpoint.port ^ (MAGIC_COOKIE >>> 16));
  for (let i = 4; i < value.length; i++) value[i] = (value[i] ?? 0) ^ (mask[i - 4] ?? 0);
  return value;
}

/** The value of an attribute with an address (RFC 8489, section 14.1). */
export function addressValue({ address, family, port }: Endpoint): Uint8Array {
  const bytes = parseAddress(address) ?? new Uint8Array(family === 4 ? 4 : 16);
  const value = new Uint8Array(4 + bytes.length);
  value[1] = bytes.length === 4 ? FAMILY_IPV4 : FAMILY_IPV6;
  new DataView(value.buffer).setUint16(2, port);
  value.set(bytes, 4);
  return value;
}

function readAddress(value: Uint8Array, mask?: Uint8Array): Endpoint | undefined {
  const length = { [FAMILY_IPV4]: 4, [FAMILY_IPV6]: 16 }[value[1] ?? 0];
  if (length === undefined || value.length !== 4 + length) return undefined;
  const bytes = value.slice(2);
  const address = bytes.subarray(2);
  if (mask !== undefined) {
    for (let i = 0; i < 2; i++) bytes[i] = (bytes[i] ?? 0) ^ (mask[i] ?? 0);
    for (let i = 0; i < length; i++) address[i] = (address[i] ?? 0) ^ (mask[i] ?? 0);
  }
  return endpointOf(unmapped(address), ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0));
}

function maskOf(transaction: Uint8Array): Uint8Array {
  const mask = new Uint8Array(4 + TRANSACTION_BYTES);
  new DataView(mask.buffer).setUint32(0, MAGIC_COOKIE);
  mask.set(transaction, 4);
  return mask;
}

function padded(length: number): number {
  return (length + 3) & ~3;
}
