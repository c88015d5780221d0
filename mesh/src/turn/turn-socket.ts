import { createSocket, type Socket } from "node:dgram";
import type { Endpoint } from "../ip/endpoint.js";
import { MAX_QUEUED_BYTES } from "./limits.js";

/**
 * A UDP socket that only hears one server. It has a port of its own: channel data has no recognisable form, so on
 * WireGuard's port it would go to WireGuard.
 */
export class TurnSocket {
  readonly #socket: Socket;

  private constructor(socket: Socket, onPacket: (bytes: Buffer) => void) {
    this.#socket = socket;
    socket.on("message", onPacket);
    // A packet that cannot be sent is lost, as always with UDP. An error that nobody listens there may be forged.
    socket.on("error", () => {});
  }

  /** @throws the system's error when there is no route to the server */
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

  /** Sends several parts as one datagram. */
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
