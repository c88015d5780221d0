import { randomBytes } from "node:crypto";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Endpoint } from "../ip/endpoint.js";
import { remoteOf } from "../probe/probe-sockets.js";
import { ByteBucket } from "./byte-bucket.js";
import { MAX_QUEUED_BYTES, PAIR_BYTES_PER_SECOND } from "./limits.js";

/** The STUN magic cookie, bytes 4 to 7 of a probe (RFC 8489, section 5). */
const COOKIE = 0x2112_a442;

/** What a forwarder works with. */
export interface ForwarderMeans {
  /** Whether a packet that looks like a probe is for the relay itself, and was taken. */
  readonly take: (bytes: Uint8Array, remote: Endpoint, local: string) => boolean;
  /** What may pass for all pairs together. */
  readonly all: ByteBucket;
}

/**
 * The place of one pair at a relay: a UDP socket on an overlay address, which passes datagrams between the two ends that
 * are bound to it, and nothing else. It does not look into them, but to tell probes from packets of WireGuard.
 */
export class Forwarder {
  /** Random, so that nobody binds to a place that he was not told of. */
  readonly id: bigint = randomBytes(8).readBigUInt64BE();
  readonly endpoint: Endpoint;
  /** What {@link ForwarderMeans.take} is told that a packet came to, and what answers are sent by. */
  readonly local: string;
  /** Datagrams and bytes that were passed on, and those that were not, to keep within the limits. */
  packets = 0;
  bytes = 0;
  dropped = 0;
  /** When a packet of WireGuard last passed, or the place was opened; monotonic ms. */
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
    // What cannot be sent is lost, as UDP is.
    socket.on("error", () => {});
  }

  /** @param address - an own one, in the tunnel */
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

  /** One of the two is here. */
  bind(end: 0 | 1, remote: Endpoint): void {
    this.#ends[end] = remote;
  }

  /** Both are bound: datagrams pass. */
  get isOpen(): boolean {
    return this.#ends.every((end) => end !== undefined);
  }

  /** Sends something of the relay's own. */
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
