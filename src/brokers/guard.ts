import { BrokerError } from "../base/errors.js";
import { PUBLIC_KEY_BYTES } from "../wire/address.js";
import { MAX_TOPICS, PacketType } from "./mqtt-packets.js";

/** The packets that a broker may send to a client with subscriptions at QoS 1. */
export type Incoming =
  | { readonly type: "connack"; readonly code: number }
  /** The answers to the topics of the one unanswered SUBSCRIBE, in their order. */
  | { readonly type: "suback"; readonly codes: readonly number[] }
  | { readonly type: "unsuback" | "pingresp" }
  | Publish;

/** A message on a topic of the session. */
export interface Publish {
  readonly type: "publish";
  readonly topic: string;
  /** The packet id for the acknowledgement of a message at QoS 1; 0 at QoS 0. */
  readonly id: number;
  /** undefined when the message was too long and was skipped. */
  readonly payload: Uint8Array | undefined;
}

/**
 * A message that is too long is skipped byte by byte, up to this size: a stranger may have sent the message through an
 * honest broker. A longer message ends the session.
 */
const MAX_PASSED_OVER_BYTES: number = 16 << 20;

/** The topics that may receive messages. */
export interface Topics {
  /** The longest useful payload on a topic, in bytes; undefined when the session has not subscribed to the topic. */
  limitOf(topic: string): number | undefined;
  /** The longest useful payload on any topic. */
  readonly longest: number;
}

/** A topic is an address in hex, so all topics have the same length. */
const TOPIC_BYTES: number = 2 * PUBLIC_KEY_BYTES;

/**
 * The longest head: a PUBLISH has two bytes of length, the topic and an id; a SUBACK has an id and one byte for each
 * topic.
 */
const MAX_HEAD_BYTES: number = Math.max(2 + TOPIC_BYTES + 2, 2 + MAX_TOPICS);

/** The approximate memory of a small array besides its bytes. */
const CHUNK_OVERHEAD = 256;

/**
 * A payload that shares a larger buffer is copied when the buffer is more than this many times as large. Otherwise a
 * small payload would keep a large buffer in memory.
 */
const MAX_KEPT_RATIO = 2;

/**
 * The size of the first buffer for a payload that comes in pieces. The buffer grows with the received bytes, because
 * announced bytes may never come.
 */
const FIRST_BUFFER_BYTES = 131_072;

/** The maximum number of bytes for a packet's length (MQTT 3.1.1, section 2.2.3). */
const MAX_LENGTH_BYTES = 4;

/** Other services that answer, by their first byte: `H` of HTTP, `<` of a page, a TLS alert, a TLS handshake. */
const STRANGERS: Readonly<Record<number, string>> = {
  72: ", but a web server: a captive portal, or not the broker's port",
  60: ", but a web server: a captive portal, or not the broker's port",
  21: ", but TLS: the port is that of another transport",
  22: ", but TLS: the port is that of another transport",
};

const NAMES: Readonly<Record<number, string>> = {
  1: "CONNECT",
  2: "CONNACK",
  3: "PUBLISH",
  4: "PUBACK",
  5: "PUBREC",
  6: "PUBREL",
  7: "PUBCOMP",
  8: "SUBSCRIBE",
  9: "SUBACK",
  10: "UNSUBSCRIBE",
  11: "UNSUBACK",
  12: "PINGREQ",
  13: "PINGRESP",
  14: "DISCONNECT",
};

/**
 * Reads what a broker sends, as the bytes come. Only packets that are allowed at this moment pass: CONNACK first and
 * only once, SUBACK and UNSUBACK for the packet that was sent, PINGRESP for a PINGREQ, and messages at QoS 0 or 1 on
 * topics of the session.
 *
 * Any other packet is refused at the first byte that shows it is wrong. The work grows linearly with the number of
 * bytes, however the bytes are split into chunks.
 */
export class Guard {
  readonly #topics: Topics;
  /** The unread bytes: the chunks from index `#first` on; the first of them from offset `#at` on. */
  readonly #chunks: Uint8Array[] = [];
  #first = 0;
  #at = 0;
  #waitingBytes = 0;
  /** The first byte of the current packet; 0 between packets. */
  #kind = 0;
  /** The length of the current packet, as far as it was read. */
  #length = 0;
  #lengthBytes = 0;
  /** The part before the payload. In all packets except PUBLISH this part is the whole packet. */
  readonly #head: Uint8Array = new Uint8Array(MAX_HEAD_BYTES);
  #headFilled = 0;
  #headLength = -1;
  /** The topic of a PUBLISH, and the longest useful payload on it. */
  #topic = "";
  #limit = 0;
  /** The received part of a payload that comes in pieces. */
  #payload = NOTHING;
  #payloadFilled = 0;

  #isConnected = false;
  /** Whether a SUBSCRIBE was sent. */
  #hasAsked = false;
  /** The SUBSCRIBE or UNSUBSCRIBE that the broker has to answer, and the length of the answer. */
  #asked: { readonly type: number; readonly id: number; readonly length: number } | undefined;
  #pings = 0;

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  /** The approximate memory of the unread bytes. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The topic of a message whose payload has partly come in. */
  get topicOfPayload(): string | undefined {
    return this.#payloadFilled > 0 ? this.#topic : undefined;
  }

  /** Must be called when a SUBSCRIBE was sent. At most one SUBSCRIBE or UNSUBSCRIBE may be unanswered. */
  expectSuback(id: number, topics: number): void {
    this.#hasAsked = true;
    this.#asked = { type: PacketType.Suback, id, length: 2 + topics };
  }

  /** Must be called when an UNSUBSCRIBE was sent. At most one SUBSCRIBE or UNSUBSCRIBE may be unanswered. */
  expectUnsuback(id: number): void {
    this.#asked = { type: PacketType.Unsuback, id, length: 2 };
  }

  /** Must be called when a PINGREQ was sent. */
  expectPingresp(): void {
    this.#pings++;
  }

  /** @param chunk - the next bytes; the caller must not change them afterwards */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length + CHUNK_OVERHEAD;
  }

  /**
   * Reads the next packet. Returns undefined when more bytes are needed.
   * @throws {BrokerError} `protocol` or `not-mqtt`; the guard must not be used afterwards
   */
  next(): Incoming | undefined {
    if (this.#headLength < 0 && !this.#readLength()) return undefined;
    if (!this.#readHead()) return undefined;
    const type = this.#kind >> 4;
    if (type !== PacketType.Publish) {
      this.#between();
      return this.#control(type);
    }
    const payloadLength = this.#length - this.#headLength;
    const isTooLong = payloadLength > this.#limit;
    const payload = isTooLong ? this.#passOver(payloadLength) : this.#readPayload(payloadLength);
    if (payload === undefined) return undefined;
    const id = this.#messageId();
    const topic = this.#topic;
    this.#between();
    return { type: "publish", topic, id, payload: isTooLong ? undefined : payload };
  }

  #between(): void {
    this.#kind = 0;
    this.#length = 0;
    this.#lengthBytes = 0;
    this.#headFilled = 0;
    this.#headLength = -1;
    this.#payload = NOTHING;
    this.#payloadFilled = 0;
  }

  /** Reads a packet's first byte and its length. Returns false when more bytes are needed. */
  #readLength(): boolean {
    for (;;) {
      const chunk = this.#chunk();
      if (chunk === undefined) return false;
      const byte = chunk[this.#at] ?? 0;
      this.#consume(1);
      if (this.#kind === 0) {
        this.#checkKind(byte);
        this.#kind = byte;
        continue;
      }
      this.#length += (byte & 127) * 128 ** this.#lengthBytes++;
      if (byte < 128) break;
      if (this.#lengthBytes === MAX_LENGTH_BYTES) throw broken("a packet with a length of five bytes");
    }
    this.#headLength = this.#checkLength();
    return true;
  }

  #checkKind(byte: number): void {
    const type = byte >> 4;
    const name = NAMES[type] ?? `a packet of the unknown type ${type}`;
    if (!this.#isConnected && byte !== PacketType.Connack << 4)
      throw new BrokerError("not-mqtt", `what answered is not MQTT${STRANGERS[byte] ?? ""}`);
    switch (type) {
      case PacketType.Connack:
        if (this.#isConnected) throw broken("a second CONNACK");
        break;
      case PacketType.Publish:
        if (!this.#hasAsked) throw broken("a PUBLISH before the subscription");
        if ((byte & 0x06) > 0x02)
          throw broken(`a PUBLISH at QoS ${(byte >> 1) & 3}, where 1 is the highest granted`);
        // The flags DUP and RETAIN do not matter here.
        return;
      case PacketType.Suback:
      case PacketType.Unsuback:
        if (this.#asked?.type !== type) throw broken(notAsked(type));
        break;
      case PacketType.Pingresp:
        if (this.#pings === 0) throw broken("a PINGRESP for no PINGREQ");
        break;
      default:
        throw broken(`${name}, which has no place here`);
    }
    if ((byte & 0x0f) !== 0) throw broken(`${name} with flags`);
  }

  /** Checks the packet's length. Returns the length of the part before the payload. */
  #checkLength(): number {
    const type = this.#kind >> 4;
    if (type === PacketType.Publish) {
      const head = 2 + TOPIC_BYTES + (this.#isNumbered ? 2 : 0);
      if (this.#length < head) throw broken("a PUBLISH on a topic that was not subscribed");
      const longest = head + Math.max(this.#topics.longest, MAX_PASSED_OVER_BYTES);
      if (this.#length > longest) throw broken(`a PUBLISH of ${this.#length} bytes`);
      return head;
    }
    const wanted =
      type === PacketType.Connack ? 2 : type === PacketType.Pingresp ? 0 : (this.#asked?.length ?? 0);
    if (this.#length !== wanted)
      throw broken(`${NAMES[type]} of ${this.#length} bytes in the place of ${wanted}`);
    return wanted;
  }

  get #isNumbered(): boolean {
    return (this.#kind & 0x06) !== 0;
  }

  /** Reads the part before the payload, and checks it. Returns false when more bytes are needed. */
  #readHead(): boolean {
    if (this.#headFilled === this.#headLength) return true;
    this.#headFilled = this.#copy(this.#head, this.#headFilled, this.#headLength);
    if (this.#headFilled < this.#headLength) return false;
    if (this.#kind >> 4 === PacketType.Publish) this.#checkTopic();
    return true;
  }

  #checkTopic(): void {
    const head = this.#head;
    // Bytes that are not those of an address give a text that is not a topic of the session.
    this.#topic = String.fromCharCode(...head.subarray(2, 2 + TOPIC_BYTES));
    const limit = uint16(head, 0) === TOPIC_BYTES ? this.#topics.limitOf(this.#topic) : undefined;
    if (limit === undefined) throw broken("a PUBLISH on a topic that was not subscribed");
    this.#limit = limit;
    if (this.#isNumbered && this.#messageId() === 0) throw broken("a PUBLISH at QoS 1 without an id");
  }

  #messageId(): number {
    return this.#isNumbered ? uint16(this.#head, this.#headLength - 2) : 0;
  }

  #control(type: number): Incoming {
    if (type === PacketType.Connack) {
      this.#isConnected = true;
      return { type: "connack", code: this.#head[1] ?? 0 };
    }
    if (type === PacketType.Pingresp) {
      this.#pings--;
      return { type: "pingresp" };
    }
    const { id, length } = this.#asked ?? { id: 0, length: 0 };
    if (uint16(this.#head, 0) !== id) throw broken(notAsked(type));
    this.#asked = undefined;
    return type === PacketType.Suback
      ? { type: "suback", codes: [...this.#head.subarray(2, length)] }
      : { type: "unsuback" };
  }

  /** Reads the payload. Returns undefined when more bytes are needed. */
  #readPayload(length: number): Uint8Array | undefined {
    if (length === 0) return NOTHING;
    const chunk = this.#chunk();
    if (chunk === undefined) return undefined;
    const end = this.#at + length;
    if (this.#payloadFilled === 0 && end <= chunk.length) {
      const within = chunk.subarray(this.#at, end);
      // `new Uint8Array` copies the bytes. `slice` would not: the slice of a Buffer shares its memory.
      const payload = chunk.buffer.byteLength <= MAX_KEPT_RATIO * length ? within : new Uint8Array(within);
      this.#consume(length);
      return payload;
    }
    while (this.#payloadFilled < length) {
      this.#makeRoom(length);
      const before = this.#payloadFilled;
      this.#payloadFilled = this.#copy(this.#payload, before, this.#payload.length);
      if (this.#payloadFilled === before) return undefined;
    }
    return this.#payload;
  }

  /** Doubles the buffer each time, so that all copying together costs no more than the received bytes. */
  #makeRoom(length: number): void {
    if (this.#payloadFilled < this.#payload.length) return;
    const size = Math.max(FIRST_BUFFER_BYTES, 2 * this.#payloadFilled);
    const larger = new Uint8Array(Math.min(length, size));
    larger.set(this.#payload);
    this.#payload = larger;
  }

  /** Skips a payload. Returns an empty array at the end of the payload, and undefined when more bytes are needed. */
  #passOver(length: number): Uint8Array | undefined {
    while (this.#payloadFilled < length) {
      if (this.#chunk() === undefined) return undefined;
      const count = Math.min(length - this.#payloadFilled, this.#available());
      this.#consume(count);
      this.#payloadFilled += count;
    }
    return NOTHING;
  }

  /** Copies the available bytes up to `end`. Returns the new number of filled bytes. */
  #copy(target: Uint8Array, filled: number, end: number): number {
    let at = filled;
    while (at < end) {
      const chunk = this.#chunk();
      if (chunk === undefined) break;
      const count = Math.min(end - at, this.#available());
      target.set(chunk.subarray(this.#at, this.#at + count), at);
      this.#consume(count);
      at += count;
    }
    return at;
  }

  /** The current chunk. */
  #chunk(): Uint8Array | undefined {
    return this.#chunks[this.#first];
  }

  /** The number of unread bytes in the current chunk. */
  #available(): number {
    return (this.#chunk()?.length ?? 0) - this.#at;
  }

  /** Moves on within the current chunk. */
  #consume(count: number): void {
    this.#at += count;
    this.#waitingBytes -= count;
    if (this.#available() > 0) return;
    this.#at = 0;
    this.#waitingBytes -= CHUNK_OVERHEAD;
    this.#chunks[this.#first++] = NOTHING;
    // Removing the first element of an array moves all others. So many elements are removed at once.
    if (2 * this.#first < this.#chunks.length) return;
    this.#chunks.splice(0, this.#first);
    this.#first = 0;
  }
}

const NOTHING: Uint8Array = new Uint8Array();

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}

function notAsked(type: number): string {
  return type === PacketType.Suback ? "a SUBACK for no SUBSCRIBE" : "an UNSUBACK for no UNSUBSCRIBE";
}

function broken(what: string): BrokerError {
  return new BrokerError("protocol", `broke the MQTT protocol: ${what}`);
}
