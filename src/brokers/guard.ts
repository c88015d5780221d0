import { BrokerError } from "../base/errors.js";
import { PUBLIC_KEY_BYTES } from "../wire/address.js";
import { MAX_TOPICS, PacketType } from "./mqtt-packets.js";

/** What a broker may send to one who subscribed to topics at QoS 1. */
export type Incoming =
  | { readonly type: "connack"; readonly code: number }
  /** The answers to the topics of the one SUBSCRIBE, in their order. */
  | { readonly type: "suback"; readonly codes: readonly number[] }
  | { readonly type: "unsuback" | "pingresp" }
  | Publish;

/** A message on a topic of the session. */
export interface Publish {
  readonly type: "publish";
  readonly topic: string;
  /** To be acknowledged with, where it came at QoS 1; 0 else. */
  readonly id: number;
  /** Nothing where it was too long, and passed over. */
  readonly payload: Uint8Array | undefined;
}

/**
 * A message that is too long is passed over, byte by byte, up to this size: it may be a stranger's, and the broker an
 * honest one. A connection that is to carry more is of no use.
 */
const MAX_PASSED_OVER_BYTES: number = 16 << 20;

/** Which topics there may be messages on. */
export interface Topics {
  /** The longest payload that is of use on a topic, bytes; none where nobody of this session has asked for it. */
  limitOf(topic: string): number | undefined;
  /** The longest on any of them. */
  readonly longest: number;
}

/** Topics are addresses, which have one length. */
const TOPIC_BYTES: number = 2 * PUBLIC_KEY_BYTES;

/** A PUBLISH: the length of its topic, the topic, its id. A SUBACK has an id, and a byte for each topic. */
const MAX_HEAD_BYTES: number = Math.max(2 + TOPIC_BYTES + 2, 2 + MAX_TOPICS);

/** What the object of a small array costs besides its bytes. */
const CHUNK_OVERHEAD = 256;

/** A payload is handed on within the buffer it came in, unless that is more than so many times its size. */
const MAX_KEPT_RATIO = 2;

/** So much is set aside for a payload that comes in pieces, at first: what is announced may never come. */
const FIRST_BUFFER_BYTES = 131_072;

/** The most bytes that tell a packet's length (MQTT 3.1.1, section 2.2.3). */
const MAX_LENGTH_BYTES = 4;

/** What else answers, by its first byte: `H` of HTTP, `<` of a page, a TLS alert and a TLS handshake. */
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
 * Reads what a broker sends, as the bytes come, and lets nothing through but what may come now: CONNACK first and
 * once, SUBACK and UNSUBACK for what was asked, PINGRESP where it was asked for, messages on topics of the session at
 * QoS 0 or 1.
 * Whatever else is refused at its first byte that tells. The work is linear in the bytes, however they are cut.
 */
export class Guard {
  readonly #topics: Topics;
  /** What was not read yet: chunks from the one at `#first` on, that one from `#at` on. */
  readonly #chunks: Uint8Array[] = [];
  #first = 0;
  #at = 0;
  #waitingBytes = 0;
  /** The first byte of the packet that is being read; 0 between packets. */
  #kind = 0;
  /** Its length, as far as it was read. */
  #length = 0;
  #lengthBytes = 0;
  /** What comes before the payload: everything, but for a PUBLISH. */
  readonly #head: Uint8Array = new Uint8Array(MAX_HEAD_BYTES);
  #headFilled = 0;
  #headLength = -1;
  /** Of a PUBLISH, and the longest payload that is of use there. */
  #topic = "";
  #limit = 0;
  /** What there is of a payload that comes in pieces. */
  #payload = NOTHING;
  #payloadFilled = 0;

  #isConnected = false;
  /** Whether anything was subscribed. */
  #hasAsked = false;
  /** The SUBSCRIBE or UNSUBSCRIBE that is to be answered, and the length of the answer. */
  #asked: { readonly type: number; readonly id: number; readonly length: number } | undefined;
  #pings = 0;

  constructor(topics: Topics) {
    this.#topics = topics;
  }

  /** What waits to be read takes so much memory. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** The topic of a message that has begun to come in, and has not ended. */
  get topicOfPayload(): string | undefined {
    return this.#payloadFilled > 0 ? this.#topic : undefined;
  }

  /** A SUBSCRIBE for so many topics was sent, and nothing else is to be answered. */
  expectSuback(id: number, topics: number): void {
    this.#hasAsked = true;
    this.#asked = { type: PacketType.Suback, id, length: 2 + topics };
  }

  /** An UNSUBSCRIBE was sent, and nothing else is to be answered. */
  expectUnsuback(id: number): void {
    this.#asked = { type: PacketType.Unsuback, id, length: 2 };
  }

  /** A PINGREQ was sent. */
  expectPingresp(): void {
    this.#pings++;
  }

  /** @param chunk - the next bytes, which must not change any more */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#waitingBytes += chunk.length + CHUNK_OVERHEAD;
  }

  /**
   * The next packet, or nothing until more bytes have come.
   * @throws {BrokerError} `protocol`; the guard is of no use any more then
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

  /** Reads a packet's first byte and its length; returns whether they are there. */
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
        // Whether it is a copy or was kept says nothing here.
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

  /** Returns how long the part before the payload is. */
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

  /** Reads up to the payload; returns whether it is there, and as it should be. */
  #readHead(): boolean {
    if (this.#headFilled === this.#headLength) return true;
    this.#headFilled = this.#copy(this.#head, this.#headFilled, this.#headLength);
    if (this.#headFilled < this.#headLength) return false;
    if (this.#kind >> 4 === PacketType.Publish) this.#checkTopic();
    return true;
  }

  #checkTopic(): void {
    const head = this.#head;
    // Other bytes than those of an address make a text that is none.
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

  /** Returns the payload once all of it is there. */
  #readPayload(length: number): Uint8Array | undefined {
    if (length === 0) return NOTHING;
    const chunk = this.#chunk();
    if (chunk === undefined) return undefined;
    const end = this.#at + length;
    if (this.#payloadFilled === 0 && end <= chunk.length) {
      const within = chunk.subarray(this.#at, end);
      // A Buffer's `slice` copies nothing.
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

  /** Twice as much each time, so that it costs no more than the bytes that came. */
  #makeRoom(length: number): void {
    if (this.#payloadFilled < this.#payload.length) return;
    const size = Math.max(FIRST_BUFFER_BYTES, 2 * this.#payloadFilled);
    const larger = new Uint8Array(Math.min(length, size));
    larger.set(this.#payload);
    this.#payload = larger;
  }

  /** Takes a payload and keeps nothing of it; returns an empty one at its end. */
  #passOver(length: number): Uint8Array | undefined {
    while (this.#payloadFilled < length) {
      if (this.#chunk() === undefined) return undefined;
      const count = Math.min(length - this.#payloadFilled, this.#available());
      this.#consume(count);
      this.#payloadFilled += count;
    }
    return NOTHING;
  }

  /** Copies what there is, up to an end; returns how far it came. */
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

  /** The chunk that is being read. */
  #chunk(): Uint8Array | undefined {
    return this.#chunks[this.#first];
  }

  /** How much of it is left. */
  #available(): number {
    return (this.#chunk()?.length ?? 0) - this.#at;
  }

  /** Goes on, within the chunk. */
  #consume(count: number): void {
    this.#at += count;
    this.#waitingBytes -= count;
    if (this.#available() > 0) return;
    this.#at = 0;
    this.#waitingBytes -= CHUNK_OVERHEAD;
    this.#chunks[this.#first++] = NOTHING;
    // Taking the first element off an array moves all others, so it is done for many at once.
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
