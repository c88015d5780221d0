import { randomBytes } from "node:crypto";
import { BrokerError } from "../base/errors.js";

/** The kinds of frames (RFC 6455, section 5.2). */
const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

/** The maximum length of the content of a ping, pong or close frame. */
const MAX_CONTROL_BYTES = 125;

/** The maximum length of the head of a server's frame: two bytes, and up to eight bytes for the length. */
const MAX_HEAD_BYTES = 10;

/** Random bytes for masks are fetched in blocks of this size. Fetching four bytes would cost as much. */
const MASK_POOL_BYTES = 4096;

/**
 * Reads the frames of a server as the bytes come. The content is passed on at once, so neither a long message nor a
 * message in many pieces has to be stored. The client never asks for compression, so frames are never compressed.
 */
export class FrameReader {
  readonly #head = new Uint8Array(MAX_HEAD_BYTES);
  #headFilled = 0;
  /** The number of bytes of the current frame that have not come yet. */
  #left = 0;
  #opcode: number = Opcode.Continuation;
  /** Whether the last frame of a message has not come yet. */
  #isFragmented = false;
  readonly #control = new Uint8Array(MAX_CONTROL_BYTES);
  #controlFilled = 0;
  #ping: Uint8Array | undefined;
  #isClosed = false;

  /** True after the server has sent a close frame. Bytes after the close frame are ignored. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * The content of the latest ping, unless it was taken already. Earlier pings need no answer (RFC 6455, section
   * 5.5.3).
   */
  takePing(): Uint8Array | undefined {
    const ping = this.#ping;
    this.#ping = undefined;
    return ping;
  }

  /**
   * Reads the next bytes. The content is moved together in place.
   * @param chunk - the next bytes; changed by this call
   * @returns the bytes of `chunk` that are the content of messages
   * @throws {BrokerError} `protocol`, for bytes that no server may send
   */
  read(chunk: Uint8Array): Uint8Array {
    let at = 0;
    let from = 0;
    let to = 0;
    while (at < chunk.length && !this.#isClosed) {
      if (this.#left === 0 && !this.#readHead(chunk[at++])) continue;
      const count = Math.min(this.#left, chunk.length - at);
      this.#left -= count;
      if (this.#opcode > Opcode.Binary) {
        this.#readControl(chunk.subarray(at, at + count));
      } else if (count > 0) {
        if (to === from) from = to = at;
        if (to < at) chunk.copyWithin(to, at, at + count);
        to += count;
      }
      at += count;
    }
    return chunk.subarray(from, to);
  }

  /** Reads one byte of a frame's head. Returns true when the head is complete. */
  #readHead(byte = 0): boolean {
    const head = this.#head;
    head[this.#headFilled++] = byte;
    if (this.#headFilled === 1) this.#checkKind(byte);
    if (this.#headFilled === 1) return false;
    const [, short = 0] = head;
    if (short > 127) throw broken("a masked WebSocket frame, which only clients send");
    const extra = short === 127 ? 8 : short === 126 ? 2 : 0;
    if (this.#headFilled < 2 + extra) return false;
    this.#headFilled = 0;
    let length = extra === 0 ? short : 0;
    for (const next of head.subarray(2, 2 + extra)) length = length * 256 + next;
    if (!Number.isSafeInteger(length)) throw broken("a WebSocket frame without end");
    if (this.#opcode > Opcode.Binary && length > MAX_CONTROL_BYTES)
      throw broken("a WebSocket ping, pong or close that is too long");
    this.#left = length;
    this.#controlFilled = 0;
    return true;
  }

  #checkKind(byte: number): void {
    const opcode = byte & 0x0f;
    const isLast = byte >= 0x80;
    if ((byte & 0x70) !== 0) throw broken("a WebSocket frame of an extension that was not agreed on");
    if (opcode >= Opcode.Close && opcode <= Opcode.Pong) {
      if (!isLast) throw broken("a WebSocket ping, pong or close in pieces");
    } else if (opcode === Opcode.Text) {
      throw broken("text over the WebSocket");
    } else if (opcode !== (this.#isFragmented ? Opcode.Continuation : Opcode.Binary)) {
      throw broken("a WebSocket frame out of turn");
    } else {
      this.#isFragmented = !isLast;
    }
    this.#opcode = opcode;
  }

  #readControl(bytes: Uint8Array): void {
    this.#control.set(bytes, this.#controlFilled);
    this.#controlFilled += bytes.length;
    if (this.#left > 0) return;
    if (this.#opcode === Opcode.Close) this.#isClosed = true;
    if (this.#opcode === Opcode.Ping) this.#ping = this.#control.slice(0, this.#controlFilled);
  }
}

/** A binary message in one frame. */
export function binaryFrame(bytes: Uint8Array): Uint8Array {
  return frame(Opcode.Binary, bytes);
}

/** The answer to a ping. */
export function pongFrame(ping: Uint8Array): Uint8Array {
  return frame(Opcode.Pong, ping);
}

/** A close frame with the code for a normal closure (1000). */
export function closeFrame(): Uint8Array {
  return frame(Opcode.Close, Uint8Array.of(1000 >> 8, 1000 & 255));
}

let masks = new Uint8Array();

/**
 * Makes a frame. A client must mask its frames with unpredictable bytes, so that no proxy can mistake them for HTTP.
 */
function frame(opcode: number, content: Uint8Array): Uint8Array {
  const { length } = content;
  const extra = length > 0xffff ? 8 : length > MAX_CONTROL_BYTES ? 2 : 0;
  const start = 2 + extra + 4;
  const bytes = new Uint8Array(start + length);
  bytes[0] = 0x80 | opcode;
  bytes[1] = 0x80 | (extra === 8 ? 127 : extra === 2 ? 126 : length);
  for (let i = 0, rest = length; i < extra; i++, rest = Math.floor(rest / 256))
    bytes[1 + extra - i] = rest % 256;
  if (masks.length === 0) masks = randomBytes(MASK_POOL_BYTES);
  const mask = masks.subarray(0, 4);
  masks = masks.subarray(4);
  bytes.set(mask, start - 4);
  const [a = 0, b = 0, c = 0, d = 0] = mask;
  bytes.set(content, start);
  const whole = start + length - (length % 4);
  for (let i = start; i < whole; i += 4) {
    bytes[i] = (bytes[i] ?? 0) ^ a;
    bytes[i + 1] = (bytes[i + 1] ?? 0) ^ b;
    bytes[i + 2] = (bytes[i + 2] ?? 0) ^ c;
    bytes[i + 3] = (bytes[i + 3] ?? 0) ^ d;
  }
  for (let i = whole; i < bytes.length; i++) bytes[i] = (bytes[i] ?? 0) ^ (mask[i - whole] ?? 0);
  return bytes;
}

function broken(what: string): BrokerError {
  return new BrokerError("protocol", `broke the WebSocket protocol: ${what}`);
}
