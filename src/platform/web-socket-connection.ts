import { createHash, randomBytes } from "node:crypto";
import { BrokerError } from "../base/errors.js";
import { httpFailure } from "./failure-words.js";
import type { Connection, ConnectionEvents } from "./platform.js";
import { binaryFrame, closeFrame, FrameReader, pongFrame } from "./web-socket-frames.js";
import { SUBPROTOCOL } from "./web-socket-url.js";

/** The constant for the server's proof that it has read the request (RFC 6455, section 1.3). */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** The maximum length of the head of an answer. It is several times as long as the heads of real servers. */
const MAX_HEAD_BYTES = 8192;

/**
 * The limit of unsent bytes for answering pings. Without the limit, a server that reads nothing could let answers pile
 * up.
 */
const MAX_UNSENT_BYTES = 16_384;

/**
 * A WebSocket client for Node, over the same kind of connection as plain MQTT: the same local address, the same
 * certificates, and reading can be paused. Data is passed on as it comes, never collected.
 */
export class WebSocketConnection implements Connection {
  readonly #lower: Connection;
  readonly #events: ConnectionEvents;
  readonly #key: string = randomBytes(16).toString("base64");
  readonly #frames = new FrameReader();
  #head: Buffer | undefined = Buffer.alloc(MAX_HEAD_BYTES);
  #headFilled = 0;
  #isOver = false;

  /**
   * @param url - the server's URL; the lower connection goes to its host already
   * @param open - opens the lower connection
   */
  constructor(url: URL, open: (events: ConnectionEvents) => Connection, events: ConnectionEvents) {
    this.#events = events;
    this.#lower = open({
      onStage: (stage) => events.onStage(stage),
      onOpen: () => {
        events.onStage("handshake");
        this.#lower.write(Buffer.from(this.#request(url)));
      },
      onData: (bytes) => this.#read(bytes),
      onClose: (error) => this.#close(error),
    });
  }

  get unsentBytes(): number {
    return this.#lower.unsentBytes;
  }

  get isStranded(): boolean {
    return this.#lower.isStranded;
  }

  write(bytes: Uint8Array): void {
    if (this.#head === undefined) this.#lower.write(binaryFrame(bytes));
  }

  pause(): void {
    this.#lower.pause();
  }

  resume(): void {
    this.#lower.resume();
  }

  end(): void {
    if (this.#head === undefined) this.#lower.write(closeFrame());
    this.#lower.end();
  }

  destroy(): void {
    this.#isOver = true;
    this.#lower.destroy();
  }

  #request(url: URL): string {
    return [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${this.#key}`,
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`,
      "\r\n",
    ].join("\r\n");
  }

  #read(bytes: Uint8Array): void {
    try {
      const rest = this.#head === undefined ? bytes : this.#readHead(this.#head, bytes);
      const data = this.#frames.read(rest);
      // The listener may end this connection.
      if (data.length > 0) this.#events.onData(data);
      const ping = this.#frames.takePing();
      if (ping !== undefined && this.#lower.unsentBytes < MAX_UNSENT_BYTES)
        this.#lower.write(pongFrame(ping));
      if (this.#frames.isClosed) this.end();
    } catch (error) {
      // The code above throws only errors, so the cast is safe.
      this.#close(error as Error);
      this.#lower.destroy();
    }
  }

  /** Collects the head of the answer. Returns the bytes after the head. */
  #readHead(head: Buffer, bytes: Uint8Array): Uint8Array {
    const before = this.#headFilled;
    const count = Math.min(bytes.length, head.length - before);
    head.set(bytes.subarray(0, count), before);
    this.#headFilled += count;
    const text = head.toString("latin1", Math.max(0, before - 3), this.#headFilled);
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#headFilled === head.length) throw notMqtt("but a web server's answer without end");
      return bytes.subarray(bytes.length);
    }
    const length = Math.max(0, before - 3) + end + 4;
    this.#check(head.toString("latin1", 0, length));
    this.#head = undefined;
    this.#events.onOpen();
    return bytes.subarray(length - before);
  }

  /** @throws {BrokerError} `http` or `not-mqtt`, unless the server accepts exactly what was requested */
  #check(answer: string): void {
    const [status = "", ...lines] = answer.split("\r\n");
    const [, code] = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(status) ?? [];
    if (code === undefined) throw notMqtt("nor a web server");
    const fields = new Map<string, string>();
    for (const line of lines) {
      const [, name = "", value = ""] = /^([^:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      const known = fields.get(name.toLowerCase());
      fields.set(name.toLowerCase(), known === undefined ? value : `${known}, ${value}`);
    }
    if (code !== "101") throw httpFailure(Number(code), fields);
    const proof = createHash("sha1")
      .update(this.#key + GUID)
      .digest("base64");
    if (
      fields.get("upgrade")?.toLowerCase() !== "websocket" ||
      !/(^|[,\s])upgrade($|[,\s])/i.test(fields.get("connection") ?? "") ||
      fields.get("sec-websocket-accept") !== proof ||
      fields.has("sec-websocket-extensions")
    )
      throw notMqtt("but a web server that does not agree to a WebSocket");
    if (fields.get("sec-websocket-protocol") !== SUBPROTOCOL)
      throw notMqtt("but something else over a WebSocket");
  }

  #close(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.onClose(error);
  }
}

function notMqtt(but: string): BrokerError {
  return new BrokerError("not-mqtt", `what answered is not MQTT, ${but}`);
}
