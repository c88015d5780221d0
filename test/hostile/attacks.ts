import { constants, deflateRawSync } from "node:zlib";

/** What a hostile broker does, as bytes: everything is said after the client's SUBSCRIBE was granted, or instead. */

export interface Attack {
  /** When it begins: on the connection, in the place of the CONNACK, of the SUBACK, or after both. */
  readonly at: "connection" | "connack" | "suback" | "messages";
  /** What is sent, once. */
  readonly bytes: (topic: Buffer) => Buffer;
  /** It is sent again and again, as fast as the connection takes it. */
  readonly endless?: boolean;
  /** How the bytes are cut, over TCP and into WebSocket messages: not at all, or each so long. */
  readonly pieces?: number;
  /** The bytes are those of WebSocket frames: for those transports alone. */
  readonly isFramed?: boolean;
  /** What it ends with, instead of waiting. */
  readonly end?: "fin" | "reset";
  /** What the session ends with; nothing where it goes on. */
  readonly ends: RegExp | undefined;
  /** The payload that arrives, bytes; without one, what is endless is endured for a while. */
  readonly arrives?: number;
}

const repeat = (bytes: Buffer, total: number): Buffer =>
  Buffer.alloc(Math.floor(total / bytes.length) * bytes.length, bytes);

const lengthOf = (length: number): Buffer => {
  const bytes: number[] = [];
  let left = length;
  do {
    const digit = left % 128;
    left = Math.floor(left / 128);
    bytes.push(left > 0 ? digit + 128 : digit);
  } while (left > 0);
  return Buffer.from(bytes);
};

export const packet = (first: number, ...body: readonly Buffer[]): Buffer => {
  const whole = Buffer.concat(body);
  return Buffer.concat([Buffer.of(first), lengthOf(whole.length), whole]);
};

const string = (text: Buffer): Buffer =>
  Buffer.concat([Buffer.of(text.length >> 8, text.length & 255), text]);

/** A PUBLISH; without an id where that is undefined. */
export const publish = (topic: Buffer, payload: Buffer, qos = 0, id?: number): Buffer =>
  packet(
    0x30 | (qos << 1),
    string(topic),
    ...(id === undefined ? [] : [Buffer.of(id >> 8, id & 255)]),
    payload,
  );

export const CONNACK: Buffer = Buffer.of(0x20, 2, 0, 0);
export const SUBACK: Buffer = Buffer.of(0x90, 3, 0, 1, 1);
export const PINGRESP: Buffer = Buffer.of(0xd0, 0);

const after = (rest: Omit<Attack, "at">): Attack => ({ at: "messages", ...rest });
const fixed = (bytes: Buffer, ends: RegExp, rest: Partial<Attack> = {}): Attack =>
  after({ bytes: () => bytes, ends, ...rest });
const framed = (bytes: Buffer, ends: RegExp | undefined): Attack =>
  after({ bytes: () => bytes, ends, isFramed: true });
const onTopic = (make: (topic: Buffer) => Buffer, rest: Omit<Attack, "at" | "bytes">): Attack =>
  after({ bytes: make, ...rest });

const zeros = (length: number): Buffer => Buffer.alloc(length);

/** A message that looks like one of a peer's, with a signature that is none. */
const likeAMessage = (length: number): Buffer => {
  const bytes = Buffer.alloc(length, 7);
  // The generator of the curve, for a source; the type of a message.
  Buffer.from("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "hex").copy(bytes);
  bytes[141] = 1;
  return bytes;
};

/** 2 MB of PINGRESP as permessage-deflate has them: 2 kB. */
const BOMB: Buffer = (() => {
  const compressed = deflateRawSync(repeat(PINGRESP, 2_000_000), { finishFlush: constants.Z_SYNC_FLUSH });
  const content = compressed.subarray(0, -4);
  return Buffer.concat([Buffer.of(0xc2, 126, content.length >> 8, content.length & 255), content]);
})();

export const ATTACKS: Readonly<Record<string, Attack>> = {
  "a PUBLISH at QoS 1 without an id": onTopic((topic) => publish(topic, zeros(10), 1, 0), {
    ends: /without an id/,
  }),
  "a PUBLISH at QoS 1 that ends before its id": onTopic((topic) => publish(topic, zeros(0), 1), {
    ends: /topic/,
  }),
  "a PUBLISH at QoS 2": onTopic((topic) => publish(topic, zeros(10), 2, 1), { ends: /QoS 2/ }),
  "a PUBLISH at QoS 2 without an id": onTopic((topic) => publish(topic, zeros(0), 2), { ends: /QoS 2/ }),
  "a PUBLISH at QoS 3": onTopic((topic) => publish(topic, zeros(10), 3, 1), { ends: /QoS 3/ }),
  "PUBREL without an id": fixed(packet(0x62), /PUBREL/),
  "PUBREL with an id": fixed(packet(0x62, Buffer.of(0, 1)), /PUBREL/),
  PUBREC: fixed(packet(0x50, Buffer.of(0, 1)), /PUBREC/),
  PUBCOMP: fixed(packet(0x70, Buffer.of(0, 1)), /PUBCOMP/),
  PUBACK: fixed(packet(0x40, Buffer.of(0, 1)), /PUBACK/),
  UNSUBACK: fixed(packet(0xb0, Buffer.of(0, 1)), /UNSUBACK/),
  DISCONNECT: fixed(packet(0xe0), /DISCONNECT/),
  "type 0": fixed(packet(0x00), /type 0/),
  "type 15": fixed(packet(0xf0), /type 15/),
  "a second CONNACK": fixed(CONNACK, /second CONNACK/),
  "a second SUBACK": fixed(SUBACK, /SUBACK/),
  "0.4 MB of PINGRESP": fixed(repeat(PINGRESP, 400_000), /PINGRESP/),
  "5 MB of PINGRESP": fixed(repeat(PINGRESP, 5_000_000), /PINGRESP/),
  "PINGRESP without end": fixed(repeat(PINGRESP, 1_000_000), /PINGRESP/, { endless: true }),
  "a length of five bytes": fixed(Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01), /length of five bytes/),
  "a CONNACK without end": { at: "connack", bytes: () => packet(0x20, zeros(1000)), ends: /CONNACK/ },
  "a SUBACK for something else": {
    at: "suback",
    bytes: () => packet(0x90, Buffer.of(0, 2, 1)),
    ends: /SUBACK/,
  },
  "a SUBACK of many": { at: "suback", bytes: () => packet(0x90, Buffer.of(0, 1, 1, 1)), ends: /SUBACK/ },
  "a PUBLISH in the place of the CONNACK": {
    at: "connack",
    bytes: () => publish(Buffer.from("x"), zeros(1)),
    ends: /not MQTT/,
  },
  "HTTP in the place of the CONNACK": {
    at: "connack",
    bytes: () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"),
    ends: /not MQTT/,
  },
  "5 MB of noise on the connection": {
    at: "connection",
    bytes: () => Buffer.alloc(5_000_000, "noise"),
    ends: /not MQTT/,
  },
  "a PUBLISH of another topic": fixed(publish(Buffer.from("elsewhere"), zeros(10)), /topic/),
  "a PUBLISH of a topic as long": onTopic((topic) => publish(Buffer.alloc(topic.length, "0"), zeros(10)), {
    ends: /topic/,
  }),
  "a PUBLISH of no topic": fixed(packet(0x30), /topic/),
  "QoS 2 without end": onTopic(
    (topic) => Buffer.concat(Array.from({ length: 1000 }, (_, i) => publish(topic, zeros(1000), 2, i + 1))),
    { ends: /QoS 2/, endless: true },
  ),
  "a PUBLISH of 256 MB": onTopic(
    (topic) => Buffer.concat([Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f), string(topic), zeros(1_000_000)]),
    { ends: /bytes/, endless: true },
  ),
  "a PUBLISH in 300 000 pieces": onTopic((topic) => publish(topic, zeros(300_000)), {
    ends: undefined,
    pieces: 1,
    arrives: 300_000,
  }),
  "messages of 1 MB without end": onTopic((topic) => publish(topic, zeros(1_000_000)), {
    ends: undefined,
    endless: true,
  }),
  "empty messages without end": onTopic((topic) => repeat(publish(topic, zeros(0)), 1_000_000), {
    ends: undefined,
    endless: true,
  }),
  "empty messages at QoS 1 without end": onTopic(
    (topic) => repeat(publish(topic, zeros(0), 1, 7), 1_000_000),
    {
      ends: undefined,
      endless: true,
    },
  ),
  "messages with wrong signatures without end": onTopic(
    (topic) => repeat(publish(topic, likeAMessage(150)), 1_000_000),
    {
      ends: undefined,
      endless: true,
    },
  ),
  "long messages without end": onTopic((topic) => repeat(publish(topic, likeAMessage(65_000)), 1_000_000), {
    ends: undefined,
    endless: true,
  }),
  "messages in pieces of a byte, without end": onTopic((topic) => publish(topic, zeros(1000)), {
    ends: undefined,
    endless: true,
    pieces: 1,
  }),
  "200 kB of WebSocket pings": framed(repeat(Buffer.of(0x89, 0), 200_000), undefined),
  "empty WebSocket messages": framed(repeat(Buffer.of(0x82, 0), 1_000_000), undefined),
  "text over the WebSocket": framed(Buffer.from([0x81, 1, 65]), /text/),
  "a WebSocket message of 2^53 bytes": framed(Buffer.of(0x82, 127, 0, 0x20, 0, 0, 0, 0, 0, 0), /without end/),
  "a bomb that was compressed though nobody asked for it": framed(BOMB, /extension/),
  "nothing, and the end": fixed(Buffer.alloc(0), /closed/, { end: "fin" }),
  "half a packet, and the end": fixed(Buffer.of(0x30, 0x80), /closed/, { end: "fin" }),
  "half a packet, and a reset": fixed(Buffer.of(0x30, 0x80), /reset|closed/, { end: "reset" }),
};
