import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { FACTS_PORT } from "./constants.js";

/** @param from - the link-local address of the sender, in canonical text */
export type OnFacts = (bytes: Uint8Array, from: string) => void;

/**
 * The socket of facts in the tunnel, at the own link-local address. WireGuard accepts a packet only from the peer that
 * has the source address among its allowed IPs. So the source address proves the sender.
 */
export class FactSocket {
  readonly #socket: Socket;
  readonly #device: string;
  #isBroken = false;
  #closing: Promise<void> | undefined;

  private constructor(socket: Socket, device: string) {
    this.#socket = socket;
    this.#device = device;
  }

  /**
   * @param address - the own link-local address
   * @param device - the name of the interface that has the address
   * @returns the socket, or the reason why there is none: `EADDRINUSE`, `EADDRNOTAVAIL`, …
   */
  static async open(address: string, device: string, onFacts: OnFacts): Promise<FactSocket | string> {
    const socket = createSocket({
      type: "udp6",
      lookup: (host, _options, callback) => callback(null, host, 6),
    });
    return await new Promise((resolve) => {
      socket.once("error", (error) => {
        socket.close();
        resolve("code" in error ? String(error.code) : error.message);
      });
      socket.bind({ address: `${address}%${device}`, port: FACTS_PORT, exclusive: true }, () => {
        const opened = new FactSocket(socket, device);
        socket.removeAllListeners("error");
        socket.on("error", () => {
          opened.#isBroken = true;
        });
        socket.on("message", (bytes: Buffer, { address: remote, port }: RemoteInfo) => {
          const [from = "", zone] = remote.split("%");
          // A datagram from another port comes from another program on the peer's host.
          if (port === FACTS_PORT && zone === device) onFacts(bytes, from);
        });
        resolve(opened);
      });
    });
  }

  /** Whether a new socket is needed, because the interface or the address disappeared. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Sends a datagram. A datagram that cannot be sent is lost, as always with UDP. After {@link close} nothing is sent,
   * and no error is thrown, unlike with Node's socket.
   */
  send(bytes: Uint8Array, to: string): void {
    if (this.#closing !== undefined) return;
    this.#socket.send(bytes, FACTS_PORT, `${to}%${this.#device}`, (error) => {
      const code = error !== null && "code" in error ? error.code : undefined;
      if (code === "EADDRNOTAVAIL" || code === "ENODEV" || code === "EINVAL") this.#isBroken = true;
    });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((done) => this.#socket.close(() => done()));
    return this.#closing;
  }
}
