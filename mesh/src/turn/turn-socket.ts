import { createSocket, type Socket } from "node:dgram";
import type { Endpoint } from "../ip/endpoint.js";
import { MAX_QUEUED_BYTES } from "./limits.js";

/**
 * A UDP socket that hears one server alone. It has a port of its own: what comes by a channel looks like nothing, and
 * would go to WireGuard at WireGuard's.
 */
export class TurnSocket {
  readonly #socket: Socket;

  private constructor(socket: Socket, onPacket: (bytes: Buffer) => void) {
    this.#socket = socket;
    socket.on("message", onPacket);
    // What cannot be sent is lost, as UDP is; and who says that nobody listens there may be anybody.
    socket.on("error", () => {});
  }

  /** @throws what the system says, when there is no way to the server */
  static async open(server: Endpoint, onPacket: (bytes: Buffer) => void): Promise<TurnSocket> {
    const { family } = server;
    const socket = createSocket({
      type: family === 4 ? "udp4" : "udp6",
      recvBufferSize: MAX_QUEUED_BYTES,
      sendBufferSize: MAX_QUEUED_BYTES,
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.connect(server.port, server.address, resolve);
    });
    socket.removeAllListeners("error");
    return new TurnSocket(socket, onPacket);
  }

  send(bytes: Uint8Array): void {
    if (this.#hasRoom) this.#socket.send(bytes, () => {});
  }

  /** Sends parts as one datagram. */
  sendParts(...parts: readonly Uint8Array[]): void {
    if (this.#hasRoom) this.#socket.send(parts, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners("message");
    this.#socket.close();
  }

  get #hasRoom(): boolean {
    return this.#socket.getSendQueueSize() <= MAX_QUEUED_BYTES;
  }
}
