import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";

/** The maximum number of tries to find a free port. A port that is free for IPv4 may be taken for IPv6. */
const MAX_PORT_TRIES = 16;
/** The maximum number of local addresses with a socket. */
const MAX_SOCKETS = 64;
/** How long waiting packets are dropped at most, ms. A flood could otherwise have no end. */
const DROP_MS = 100;
/** The maximum number of error codes that are counted separately. */
const MAX_ERROR_CODES = 32;

/**
 * Receives packets.
 * @param remote - the source of the packet
 * @param local - the own address that it came to; undefined for an address without a socket
 */
export type OnPacket = (bytes: Uint8Array, remote: Endpoint, local: string | undefined) => void;

/**
 * The UDP sockets of probes and STUN, all on one port. For each family there is one socket whose local address the
 * kernel chooses. For each local address there is one that sends from there. If several sockets have the same port, the
 * kernel gives a packet to the socket that is bound to its destination.
 *
 * Errors are counted and never thrown. A packet that cannot be sent is lost, as always with UDP.
 */
export class ProbeSockets implements AsyncDisposable {
  /** The port of all sockets. The rules of the interface's table turn it into WireGuard's port. */
  readonly port: number;
  /** The number of errors by code: `EPERM`, `ENETUNREACH`, `EMSGSIZE` … */
  readonly errors: Map<string, number> = new Map<string, number>();
  readonly #onPacket: OnPacket;
  readonly #any = new Map<4 | 6, Socket>();
  readonly #local = new Map<string, Socket>();
  /** The addresses of the last call. */
  #wanted: ReadonlySet<string> = new Set();
  #isClosed = false;
  /** The packets dropped since the last look; undefined while none are to be dropped. */
  #dropped: number | undefined;

  private constructor(port: number, onPacket: OnPacket) {
    this.port = port;
    this.#onPacket = onPacket;
  }

  /**
   * Opens the sockets whose local address the kernel chooses, on a free port. Without IPv6 or IPv4, only the other
   * family is used.
   * @throws {@link MeshError} `COMMAND_FAILED` when there is no free port
   */
  static async open(onPacket: OnPacket): Promise<ProbeSockets> {
    const port = await freePort();
    const sockets = new ProbeSockets(port, onPacket);
    for (const family of [4, 6] as const) {
      const socket = await sockets.#bind(family, undefined);
      if (socket !== undefined) sockets.#any.set(family, socket);
    }
    if (sockets.#any.size > 0) return sockets;
    await sockets.close();
    throw new MeshError(
      "COMMAND_FAILED",
      `no UDP socket can be had (${[...sockets.errors.keys()].join(", ")})`,
    );
  }

  /** The local addresses with a socket. */
  get localAddresses(): readonly string[] {
    return [...this.#local.keys()];
  }

  /** Gives exactly these addresses a socket. An address that is not ready yet gets none; the next call tries again. */
  async setLocalAddresses(addresses: readonly string[]): Promise<void> {
    this.#wanted = new Set(addresses.slice(0, MAX_SOCKETS));
    for (const [address, socket] of this.#local) {
      if (this.#wanted.has(address)) continue;
      this.#local.delete(address);
      socket.close();
    }
    const missing = [...this.#wanted].filter((address) => !this.#local.has(address));
    await Promise.all(
      missing.map(async (address) => {
        const socket = await this.#bind(isIPv6(address) ? 6 : 4, address);
        if (socket === undefined) return;
        // Another call may have been faster, or may not want the address any more.
        if (this.#isClosed || this.#local.has(address) || !this.#wanted.has(address)) socket.close();
        else this.#local.set(address, socket);
      }),
    );
  }

  /**
   * Sends a packet.
   * @param local - the own address to send from; without it the kernel chooses
   * @returns whether there was a socket for the packet
   */
  send(bytes: Uint8Array, remote: Endpoint, local?: string): boolean {
    const socket = local === undefined ? this.#any.get(remote.family) : this.#local.get(local);
    if (
      socket === undefined ||
      this.#isClosed ||
      (local !== undefined && isIPv6(local) !== (remote.family === 6))
    )
      return false;
    try {
      socket.send(bytes, remote.port, remote.address, (error) => {
        if (error !== null) this.#count(error);
      });
      return true;
    } catch (error) {
      this.#count(error);
      return false;
    }
  }

  /**
   * Drops the packets that wait to be read. After a sleep these are probes of a minute, and nobody waits for answers to
   * them any more.
   */
  dropWaiting(): void {
    const endsAt = performance.now() + DROP_MS;
    this.#dropped = 0;
    // Between two calls, the event loop reads a part of what waits.
    const look = (): void => {
      const isEmpty = this.#dropped === 0;
      this.#dropped = isEmpty || performance.now() > endsAt ? undefined : 0;
      if (this.#dropped !== undefined) setImmediate(look);
    };
    setImmediate(look);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const sockets = [...this.#any.values(), ...this.#local.values()];
    this.#any.clear();
    this.#local.clear();
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #bind(family: 4 | 6, address: string | undefined): Promise<Socket | undefined> {
    try {
      const socket = await bind(family, this.port, address, true);
      socket.on("error", (error) => this.#count(error));
      socket.on("message", (bytes, from) => {
        if (this.#dropped !== undefined) {
          this.#dropped++;
          return;
        }
        const remote = this.#isClosed ? undefined : remoteOf(from);
        if (remote !== undefined) this.#onPacket(bytes, remote, address);
      });
      return socket;
    } catch (error) {
      this.#count(error);
      return undefined;
    }
  }

  #count(error: unknown): void {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    const known = this.errors.get(code);
    if (known !== undefined || this.errors.size < MAX_ERROR_CODES) this.errors.set(code, (known ?? 0) + 1);
  }
}

/**
 * Finds a port that is free for both families. With `reuseAddr` the kernel would also offer ports of other users of
 * that option.
 */
async function freePort(): Promise<number> {
  let last: unknown;
  for (let i = 0; i < MAX_PORT_TRIES; i++) {
    let port = 0;
    for (const family of [4, 6] as const) {
      try {
        const socket = await bind(family, port, undefined, false);
        port = socket.address().port;
        await new Promise<void>((done) => socket.close(done));
      } catch (error) {
        last = error;
        if (error instanceof Error && "code" in error && error.code === "EADDRINUSE") {
          port = 0;
          break;
        }
      }
    }
    if (port !== 0) return port;
  }
  throw new MeshError("COMMAND_FAILED", "no UDP port is free", { cause: last });
}

/** A bound socket. */
function bind(family: 4 | 6, port: number, address: string | undefined, reuseAddr: boolean): Promise<Socket> {
  const socket = createSocket({
    type: family === 4 ? "udp4" : "udp6",
    ipv6Only: family === 6,
    reuseAddr,
    // All destinations are IP addresses, so nothing waits for the thread pool.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      socket.close();
      reject(error);
    };
    socket.once("error", failed);
    socket.bind({ port, ...(address !== undefined && { address }), exclusive: true }, () => {
      socket.off("error", failed);
      resolve(socket);
    });
  });
}

/**
 * The source of a packet; undefined for link-local addresses, which are not endpoints, and for port 0.
 *
 * Node writes addresses in canonical text, except IPv4 addresses in IPv6 form and addresses with a zone. Parsing and
 * formatting every address would cost more than everything else for a packet that belongs to nobody.
 */
export function remoteOf({ address, family, port }: RemoteInfo): Endpoint | undefined {
  if (port === 0) return undefined;
  if (family === "IPv4") return { address, family: 4, port };
  return /[.%]/.test(address) ? endpointOf(parseAddress(address), port) : { address, family: 6, port };
}
