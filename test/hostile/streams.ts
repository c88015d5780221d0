import { packet, publish } from "./attacks.js";

/** What a session is told by a broker that may mean harm, and what should come of it. */
export interface Stream {
  /** As it is cut. */
  readonly pieces: readonly Buffer[];
  readonly expected: Expected;
}

/** What a session should make of a stream that comes as a whole. */
export interface Expected {
  /** The payloads, and "too long" where one was. */
  readonly messages: readonly string[];
  /** Numbers that were acknowledged. */
  readonly acknowledged: readonly number[];
  /** Why it is over; nothing where it goes on. */
  readonly ends: "not-mqtt" | "protocol" | "refused" | "subscription" | undefined;
  readonly isOpen: boolean;
}

export const TOPIC: string = "02".repeat(33);
export const MAX_PAYLOAD = 300;
const topic = Buffer.from(TOPIC);

/** Beyond this nothing is even passed over. */
const MAX_LENGTH = 68 + (16 << 20);

/** By the book, and from the whole: what a stream says to one who has said CONNECT, and SUBSCRIBE once it may. */
export function expectedOf(bytes: Buffer): Expected {
  const messages: string[] = [];
  const acknowledged: number[] = [];
  let isConnected = false;
  let isOpen = false;
  const result = (ends: Expected["ends"]): Expected => ({ messages, acknowledged, ends, isOpen });
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    if (!isConnected && first !== 0x20) return result("not-mqtt");
    const qos = (first >> 1) & 3;
    const isPublish = first >> 4 === 3;
    const mayCome = isConnected ? (isPublish ? qos < 2 : first === 0x90 && !isOpen) : true;
    if (!mayCome) return result("protocol");
    let [length, digits] = [0, 0];
    for (;;) {
      const digit = bytes[at + 1 + digits];
      if (digit === undefined) return result(undefined);
      length += (digit & 127) * 128 ** digits++;
      if (digit < 128) break;
      if (digits === 4) return result("protocol");
    }
    const start = at + 1 + digits;
    const body = bytes.subarray(start, start + length);
    const isWhole = body.length === length;
    const headLength = isPublish ? 68 + (qos === 1 ? 2 : 0) : first === 0x20 ? 2 : 3;
    if (isPublish ? length < headLength || length > MAX_LENGTH + (qos === 1 ? 2 : 0) : length !== headLength)
      return result("protocol");
    if (body.length < headLength) return result(undefined);
    if (first === 0x20) {
      if (body[1] !== 0) return result("refused");
      isConnected = true;
    } else if (first === 0x90) {
      if (body.readUInt16BE(0) !== 1) return result("protocol");
      if (body[2] !== 1) return result("subscription");
      isOpen = true;
    } else {
      if (body.readUInt16BE(0) !== 66 || !body.subarray(2, 68).equals(topic)) return result("protocol");
      if (qos === 1 && body.readUInt16BE(68) === 0) return result("protocol");
      if (!isWhole) return result(undefined);
      const payload = body.subarray(headLength);
      messages.push(payload.length > MAX_PAYLOAD ? "too long" : payload.toString("latin1"));
      if (qos === 1) acknowledged.push(body.readUInt16BE(68));
    }
    at = start + length;
  }
  return result(undefined);
}

/** Makes streams: true ones, with what no broker may send in between, changed, and cut anywhere. */
export class StreamMaker {
  readonly #random: () => number;

  /** @param random - gives numbers in [0, 1) */
  constructor(random: () => number) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  make(): Stream {
    let bytes = this.#bytes();
    for (let changes = this.below(3) === 0 ? 1 + this.below(3) : 0; changes > 0; changes--)
      bytes = this.#change(bytes);
    return { pieces: this.#cut(bytes), expected: expectedOf(bytes) };
  }

  #bytes(): Buffer {
    if (this.below(20) === 0) return this.#noise(1 + this.below(200));
    const packets = [
      packet(0x20, Buffer.of(this.below(10) === 0 ? 1 : 0, this.below(30) === 0 ? this.below(256) : 0)),
    ];
    for (let early = this.below(3) === 0 ? 1 : 0; early > 0; early--) packets.push(this.#publish());
    packets.push(
      packet(0x90, Buffer.of(0, this.below(30) === 0 ? 2 : 1, this.below(30) === 0 ? this.below(256) : 1)),
    );
    for (let more = this.below(6); more > 0; more--) packets.push(this.#any());
    return Buffer.concat(packets);
  }

  #any(): Buffer {
    const kind = this.below(30);
    if (kind === 0) return this.#noise(this.below(20));
    if (kind === 1) return packet(this.below(256), this.#noise(this.below(6)));
    if (kind === 2) return publish(this.#noise(this.below(70)), this.#noise(this.below(80)));
    if (kind === 3) return publish(topic, this.#noise(2), 1, 0);
    if (kind === 4) return publish(topic, this.#noise(2), 2, 5);
    return this.#publish();
  }

  #publish(): Buffer {
    const length = this.below(20) === 0 ? this.below(2000) : this.below(60);
    const qos = this.below(2);
    return publish(
      topic,
      Buffer.alloc(length, this.below(256)),
      qos,
      qos === 0 ? undefined : 1 + this.below(65_535),
    );
  }

  #noise(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i++) bytes[i] = this.below(256);
    return bytes;
  }

  #change(bytes: Buffer): Buffer {
    const at = this.below(bytes.length);
    switch (this.below(5)) {
      case 0: {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << this.below(8));
        return changed;
      }
      case 1:
        return bytes.subarray(0, at);
      case 2:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + this.below(10))]);
      case 3:
        return Buffer.concat([bytes.subarray(0, at), this.#noise(this.below(4)), bytes.subarray(at)]);
      default:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(this.below(at + 1))]);
    }
  }

  #cut(bytes: Buffer): Buffer[] {
    if (bytes.length === 0) return [];
    const how = this.below(4);
    if (how === 0) return [bytes];
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = how === 1 && bytes.length < 300 ? 1 : 1 + this.below(1 + bytes.length / how);
      // A copy: what is told belongs to who is told.
      pieces.push(Buffer.from(bytes.subarray(at, at + size)));
      at += size;
    }
    return pieces;
  }
}
