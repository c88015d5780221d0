import { createSocket, type Socket } from "node:dgram";
import type { Endpoint } from "../ip/endpoint.js";
import { MAX_QUEUED_BYTES } from "./limits.js";

const LOOPBACK = "127.0.0.1";

/**
 * The local endpoint of one peer, where WireGuard and the own probes send packets for the peer: a UDP socket on the
 * loopback address. Only WireGuard's own port can reach it. Packets of the peer come from there.
 */
export class LoopbackPort {
  readonly endpoint: Endpoint;
  readonly #socket: Socket;
  readonly #wireguardPort: () => number;

  private constructor(socket: Socket, wireguardPort: () => number, onPacket: (bytes: Buffer) => void) {
    this.#socket = socket;
    this.#wireguardPort = wireguardPort;
    this.endpoint = { address: LOOPBACK, family: 4, port: socket.address().port };
    socket.on("message", (bytes, from) => {
      if (from.port === wireguardPort()) onPacket(bytes);
    });
    // A packet that cannot be sent is lost, as always with UDP.
    socket.on("error", () => {});
  }

  /** @throws the system's error */
  static async open(wireguardPort: () => number, onPacket: (bytes: Buffer) => void): Promise<LoopbackPort> {
    const socket = createSocket({
      type: "udp4",
      recvBufferSize: MAX_QUEUED_BYTES,
      sendBufferSize: MAX_QUEUED_BYTES,
      lookup: (host, _options, callback) => callback(null, host, 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address: LOOPBACK, port: 0, exclusive: true }, resolve);
    });
    socket.removeAllListeners("error");
    return new LoopbackPort(socket, wireguardPort, onPacket);
  }

  /** Passes a packet of the peer to WireGuard, or to the sockets of the own probes. */
  deliver(bytes: Uint8Array): void {
    if (this.#socket.getSendQueueSize() <= MAX_QUEUED_BYTES)
      this.#socket.send(bytes, this.#wireguardPort(), LOOPBACK, () => {});
  }

  close(): void {
    this.#socket.removeAllListeners("message");
    this.#socket.close();
  }
}
