import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { parser } from "mqtt-packet";
import { ATTACKS, type Attack, CONNACK, PINGRESP, SUBACK } from "./attacks.js";

/** What a process of this file is told once. */
export interface HostileOrder {
  readonly transport: "mqtt" | "mqtts" | "ws" | "wss";
  readonly tls: { readonly cert: string; readonly key: string };
  readonly attacks: readonly string[];
}

/** What it answers: a port for each attack. */
export interface HostilePorts {
  readonly ports: readonly number[];
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** One client, as a hostile broker sees it. */
class Victim {
  readonly #socket: Socket;
  readonly #reset: () => void;
  readonly #attack: Attack;
  readonly #isWebSocket: boolean;
  readonly #parser = parser();
  #head: string | undefined;
  #masked = Buffer.alloc(0);

  /** @param reset - of the connection below, if that is another */
  constructor(socket: Socket, attack: Attack, isWebSocket: boolean, reset: () => void) {
    this.#socket = socket;
    this.#reset = reset;
    this.#attack = attack;
    this.#isWebSocket = isWebSocket;
    this.#head = isWebSocket ? "" : undefined;
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("data", (bytes) => this.#read(bytes));
    this.#parser.on("error", () => {});
    this.#parser.on("packet", ({ cmd, ...rest }) => {
      const { subscriptions } = rest as { subscriptions?: { topic: string }[] };
      if (cmd === "connect") this.#answer("connack", CONNACK, "");
      if (cmd === "subscribe") {
        const topic = subscriptions?.[0]?.topic ?? "";
        this.#answer("suback", SUBACK, topic);
        if (attack.at === "messages") void this.#run(topic);
      }
      if (cmd === "pingreq") this.#write(PINGRESP);
    });
    if (attack.at === "connection") void this.#run("");
  }

  #answer(at: Attack["at"], usual: Buffer, topic: string): void {
    if (this.#attack.at === at) void this.#run(topic);
    else this.#write(usual);
  }

  #read(bytes: Buffer): void {
    if (this.#head === undefined) {
      if (this.#isWebSocket) this.#unmask(bytes);
      else this.#parser.parse(bytes);
      return;
    }
    this.#head += bytes.toString("latin1");
    if (!this.#head.includes("\r\n\r\n") || this.#attack.at === "connection") return;
    const [, key = ""] = /Sec-WebSocket-Key: (.*)\r\n/.exec(this.#head) ?? [];
    this.#head = undefined;
    const accept = createHash("sha1")
      .update(key + GUID)
      .digest("base64");
    this.#socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n`,
    );
  }

  /** Frames of a client, which are short here. */
  #unmask(bytes: Buffer): void {
    this.#masked = Buffer.concat([this.#masked, bytes]);
    for (;;) {
      const [, second = 0] = this.#masked;
      const extra = (second & 127) === 126 ? 2 : 0;
      const start = 6 + extra;
      if (this.#masked.length < start) return;
      const length = extra === 0 ? second & 127 : this.#masked.readUInt16BE(2);
      if (this.#masked.length < start + length) return;
      const mask = this.#masked.subarray(start - 4, start);
      const content = Buffer.from(
        this.#masked.subarray(start, start + length).map((byte, i) => byte ^ (mask[i % 4] ?? 0)),
      );
      const opcode = (this.#masked[0] ?? 0) & 15;
      this.#masked = this.#masked.subarray(start + length);
      if (opcode === 2) this.#parser.parse(content);
    }
  }

  async #run(topic: string): Promise<void> {
    const { bytes, pieces, endless, end, isFramed } = this.#attack;
    const whole = bytes(Buffer.from(topic));
    const cuts =
      pieces === undefined
        ? [whole]
        : Array.from({ length: Math.ceil(whole.length / pieces) }, (_, i) =>
            whole.subarray(i * pieces, (i + 1) * pieces),
          );
    // Many pieces over WebSocket are many frames; over TCP they leave one by one.
    const framed = this.#isWebSocket && !isFramed ? [Buffer.concat(cuts.map(frame))] : cuts;
    do {
      for (const piece of this.#attack.at === "connection" ? cuts : framed) {
        if (this.#socket.destroyed) return;
        if (!this.#socket.write(piece)) await this.#drained();
        else if (pieces !== undefined && !this.#isWebSocket) await new Promise(setImmediate);
      }
    } while (endless && !this.#socket.destroyed);
    if (end === "fin") this.#socket.end();
    if (end === "reset") this.#reset();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done).off("close", done);
        resolve();
      };
      this.#socket.on("drain", done).on("close", done);
    });
  }

  #write(bytes: Buffer): void {
    this.#socket.write(this.#isWebSocket ? frame(bytes) : bytes);
  }
}

function frame(bytes: Buffer): Buffer {
  const { length } = bytes;
  if (length < 126) return Buffer.concat([Buffer.of(0x82, length), bytes]);
  if (length < 65_536) return Buffer.concat([Buffer.of(0x82, 126, length >> 8, length & 255), bytes]);
  const head = Buffer.alloc(10);
  head[0] = 0x82;
  head[1] = 127;
  head.writeUInt32BE(length, 6);
  return Buffer.concat([head, bytes]);
}

process.once("message", async ({ transport, tls, attacks }: HostileOrder) => {
  const isWebSocket = transport.startsWith("ws");
  const isSecure = transport === "mqtts" || transport === "wss";
  const ports = await Promise.all(
    attacks.map(async (name) => {
      const attack = ATTACKS[name];
      if (attack === undefined) throw new Error(`no attack ${name}`);
      let raw: Socket | undefined;
      const take = (socket: Socket): void => {
        const reset = raw ?? socket;
        new Victim(socket, attack, isWebSocket, () => reset.resetAndDestroy());
      };
      const server = isSecure ? createTlsServer(tls, take) : createServer(take);
      server.prependListener("connection", (socket: Socket) => {
        raw = socket;
        socket.on("error", () => {});
      });
      await new Promise<void>((go) => server.listen(0, "0.0.0.0", go));
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    }),
  );
  process.send?.({ ports } satisfies HostilePorts);
});
process.once("disconnect", () => process.exit());
