import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Endpoint } from "../ip/endpoint.js";
import { remoteOf } from "../probe/probe-sockets.js";
import { ByteBucket } from "./byte-bucket.js";
import { MAX_QUEUED_BYTES, PAIR_BYTES_PER_SECOND } from "./limits.js";

/** The magic cookie of STUN, bytes 4 to 7 of a probe (RFC 8489, section 5). */
const COOKIE = 0x2112_a442;

/** What a forwarder needs. */
export interface ForwarderMeans {
  /** Handles a packet that looks like a probe. Returns whether it was for the relay itself. */
  readonly take: (bytes: Uint8Array, remote: Endpoint, local: string) => boolean;
  /** The limit for all pairs together. */
  readonly all: ByteBucket;
}

/**
 * The place of one pair at a relay: a UDP socket on an overlay address. It forwards datagrams between the two bound
 * ends, and nothing else. The content of datagrams is only used to distinguish probes from WireGuard's packets.
 */
export class Forwarder {
  /** Random, so that only peers that were told of a place can bind to it. */
  readonly id: bigint = randomBytes(8).readBigUInt64BE();
  readonly endpoint: Endpoint;
  /** The name of this place in {@link ForwarderMeans.take}, and for sending answers. */
  readonly local: string;
  /** The numbers of forwarded datagrams and bytes, and of datagrams dropped because of the limits. */
  packets = 0;
  bytes = 0;
  dropped = 0;
  /** When a WireGuard packet was last forwarded, or the place was opened; monotonic ms. */
  activeAt: number = performance.now();
  readonly #socket: Socket;
  readonly #means: ForwarderMeans;
  readonly #bucket = new ByteBucket(PAIR_BYTES_PER_SECOND);
  readonly #ends: [Endpoint | undefined, Endpoint | undefined] = [undefined, undefined];

  private constructor(socket: Socket, address: string, means: ForwarderMeans) {
    this.#socket = socket;
    this.#means = means;
    const { port } = socket.address();
    this.endpoint = { address, family: isIPv6(address) ? 6 : 4, port };
    this.local = `relay ${port} ${address}`;
    socket.on("message", (bytes, from) => this.#receive(bytes, from));
    // A datagram that cannot be sent is lost, as always with UDP.
    socket.on("error", () => {});
  }

  /** @param address - an own address in the tunnel */
  static async open(address: string, means: ForwarderMeans): Promise<Forwarder> {
    const socket = createSocket({
      type: isIPv6(address) ? "udp6" : "udp4",
      recvBufferSize: MAX_QUEUED_BYTES,
      sendBufferSize: MAX_QUEUED_BYTES,
      lookup: (host, _options, callback) => callback(null, host, isIPv6(host) ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address, port: 0, exclusive: true }, resolve);
    });
    socket.removeAllListeners("error");
    return new Forwarder(socket, address, means);
  }

  /** Sets the endpoint of one of the two peers. */
  bind(end: 0 | 1, remote: Endpoint): void {
    this.#ends[end] = remote;
  }

  /** Whether both ends are bound, so that datagrams are forwarded. */
  get isOpen(): boolean {
    return this.#ends.every((end) => end !== undefined);
  }

  /** Sends a datagram of the relay itself. */
  send(bytes: Uint8Array, { address, port }: Endpoint): void {
    this.#socket.send(bytes, port, address);
  }

  close(): void {
    this.#socket.removeAllListeners("message");
    this.#socket.close();
  }

  #receive(bytes: Buffer, from: RemoteInfo): void {
    const [one, other] = this.#ends;
    const isProbe = bytes.length >= 20 && bytes.readUInt32BE(4) === COOKIE;
    if (isProbe && this.#isTaken(bytes, from)) return;
    const to = isAt(one, from) ? other : isAt(other, from) ? one : undefined;
    if (to === undefined) return;
    const now = performance.now();
    const { all } = this.#means;
    const { length } = bytes;
    const mayPass = this.#bucket.has(length, now) && all.has(length, now);
    if (!mayPass || this.#socket.getSendQueueSize() > MAX_QUEUED_BYTES) {
      this.dropped++;
      return;
    }
    this.#bucket.take(length);
    all.take(length);
    this.packets++;
    this.bytes += length;
    if (!isProbe) this.activeAt = now;
    this.#socket.send(bytes, to.port, to.address);
  }

  #isTaken(bytes: Buffer, from: RemoteInfo): boolean {
    const remote = remoteOf(from);
    return remote !== undefined && this.#means.take(bytes, remote, this.local);
  }
}

function isAt(end: Endpoint | undefined, { address, port }: RemoteInfo): boolean {
  return end !== undefined && end.port === port && end.address === address;
}
