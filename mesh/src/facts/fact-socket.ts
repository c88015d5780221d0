import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { FACTS_PORT } from "./constants.js";

/** @param from - the link-local address that it came from, in its one spelling */
export type OnFacts = (bytes: Uint8Array, from: string) => void;

/**
 * The socket of facts in the tunnel, at the own link-local address there. WireGuard lets a packet in only from the peer
 * that has its source address among its allowed IPs: so that address says whose it is.
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
   * @param device - the name of the interface that has it
   * @returns the socket, or why there is none: `EADDRINUSE`, `EADDRNOTAVAIL`, …
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
          // From another port it is some other program of the peer's host.
          if (port === FACTS_PORT && zone === device) onFacts(bytes, from);
        });
        resolve(opened);
      });
    });
  }

  /** The interface or the address was gone since: another socket is needed. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** What cannot be sent is lost, as UDP is; so is what comes after {@link close}, which a socket of Node would throw for. */
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
