import { createSocket, type Socket } from "node:dgram";
import { answerQuery } from "./dns-answer.js";
import type { NamedNetwork } from "./host-names.js";
import { Zone } from "./zone.js";

/** Of DNS. */
const PORT = 53;

export interface NameServerMeans {
  /** Default: that of DNS. */
  readonly port?: number;
}

/**
 * A DNS server at the own addresses in the tunnel, for the programs of this host alone: it answers nobody else, and asks
 * nobody. So it is of no use to flood others, and tells no stranger who the members are.
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

  /** Why it cannot be asked at an address, a sentence each. */
  get troubles(): readonly string[] {
    return [...this.#troubles.values()];
  }

  /** Where it can be asked, by address. */
  get ports(): ReadonlyMap<string, number> {
    return new Map([...this.#sockets].map(([address, socket]) => [address, socket.address().port]));
  }

  /** Which names there are from now on. */
  set(network: NamedNetwork | undefined): void {
    this.#zone = network && new Zone(network);
  }

  /** At which addresses it is to be asked. Resolves when it is so, or known why not: then it is tried at the next call. */
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

  /** @returns the socket, or why there is none */
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
        // The address is gone: the next call tries again.
        socket.on("error", () => void this.#end(address, socket));
        socket.on("message", (query: Buffer, from) => {
          // Who asks from the address itself is on this host.
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
