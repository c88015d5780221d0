import { createSocket, type Socket } from "node:dgram";
import { answerQuery } from "./dns-answer.js";
import type { NamedNetwork } from "./host-names.js";
import { Zone } from "./zone.js";

/** The port of DNS. */
const PORT = 53;

export interface NameServerMeans {
  /** Default: the port of DNS. */
  readonly port?: number;
}

/**
 * A DNS server at the own addresses in the tunnel, for programs on this host only. It answers nobody else and asks
 * nobody. So it cannot be used for flooding, and strangers do not learn who the members are.
 */
export class NameServer {
  readonly #port: number;
  readonly #sockets = new Map<string, Socket>();
  readonly #troubles = new Map<string, string>();
  #zone: Zone | undefined;
  #turns: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor({ port = PORT }: NameServerMeans = {}) {
    this.#port = port;
  }

  /** Why the server cannot listen at an address, one sentence each. */
  get troubles(): readonly string[] {
    return [...this.#troubles.values()];
  }

  /** The port of the server at each address. */
  get ports(): ReadonlyMap<string, number> {
    return new Map([...this.#sockets].map(([address, socket]) => [address, socket.address().port]));
  }

  /** Sets the network whose names are answered. */
  set(network: NamedNetwork | undefined): void {
    this.#zone = network && new Zone(network);
  }

  /** Sets the addresses of the server. Resolves when it listens there or has failed. The next call tries again. */
  async listen(addresses: readonly string[]): Promise<void> {
    const turn = async (): Promise<void> => await this.#listen(this.#isClosed ? [] : addresses);
    this.#turns = this.#turns.then(turn, turn);
    await this.#turns;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.listen([]);
  }

  async #listen(addresses: readonly string[]): Promise<void> {
    this.#troubles.clear();
    for (const [address, socket] of this.#sockets)
      if (!addresses.includes(address)) await this.#end(address, socket);
    for (const address of addresses) {
      if (this.#sockets.has(address)) continue;
      const opened = await this.#open(address);
      if (typeof opened === "string")
        this.#troubles.set(
          address,
          opened === "EADDRINUSE"
            ? `no names are answered at ${address}: another program has port ${this.#port} there (EADDRINUSE)`
            : `no names are answered at ${address} port ${this.#port} (${opened})`,
        );
      else this.#sockets.set(address, opened);
    }
  }

  /** @returns the socket, or the reason why there is none */
  async #open(address: string): Promise<Socket | string> {
    const type = address.includes(":") ? "udp6" : "udp4";
    const socket = createSocket({
      type,
      lookup: (host, _options, done) => done(null, host, type === "udp6" ? 6 : 4),
    });
    return await new Promise((resolve) => {
      socket.once("error", (error) => {
        socket.close();
        resolve("code" in error ? String(error.code) : error.message);
      });
      socket.bind({ address, port: this.#port, exclusive: true }, () => {
        socket.removeAllListeners("error");
        // The address disappeared. The next call tries again.
        socket.on("error", () => void this.#end(address, socket));
        socket.on("message", (query: Buffer, from) => {
          // A query from the server's own address comes from this host.
          if (from.address !== address || !this.#sockets.has(address)) return;
          const answer = answerQuery(query, this.#zone);
          if (answer !== undefined) socket.send(answer, from.port, from.address, () => {});
        });
        resolve(socket);
      });
    });
  }

  async #end(address: string, socket: Socket): Promise<void> {
    if (this.#sockets.get(address) !== socket) return;
    this.#sockets.delete(address);
    await new Promise<void>((done) => socket.close(() => done()));
  }
}
