import { setTimeout as delay } from "node:timers/promises";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { isReachable, scopeOf } from "../ip/scope.js";
import type { StunMessage } from "../probe/stun-message.js";
import { DOUBT_MS, FAREWELL_MS, LIFETIME_S, MAX_ALTERNATES, REFRESH_MS, RENEW_MS } from "./limits.js";
import { refusalOf, refused } from "./refusals.js";
import { type Answer, TurnRequests } from "./requests.js";
import {
  CHANNELS,
  channelHead,
  channelNumber,
  lifetime,
  lifetimeIn,
  readChannel,
  readData,
  readMessage,
  requestedIPv6,
  requestedTransport,
  TurnAttribute,
  TurnMethod,
  writeSend,
  xorPeerAddress,
} from "./turn-message.js";
import type { Credentials } from "./turn-server.js";
import { TurnSocket } from "./turn-socket.js";

/** The events of an allocation. */
export interface AllocationEvents {
  /** A permitted address has sent something to the relayed address. */
  onData(data: Uint8Array, peer: Endpoint): void;
  /** The allocation is lost. */
  onLost(why: Error): void;
}

/** The error codes for things that a server does not do (RFC 8656, section 19). */
const TRY_ALTERNATE = 300;
const MISMATCH = 437;
const FAMILY_UNSUPPORTED = 440;

interface Channel {
  readonly number: number;
  readonly peer: Endpoint;
  /** Whether the server has accepted the channel. Until then data goes without it. */
  isBound: boolean;
}

/**
 * One allocation at a TURN server (RFC 8656): an address at the server. The server passes on packets that permitted
 * addresses send to it, and sends packets of this host to them. Only packets from the server are read, and only signed
 * answers are believed.
 */
export class Allocation {
  /** The address that peers send to. */
  readonly relayed: Endpoint;
  readonly #socket: TurnSocket;
  readonly #requests: TurnRequests;
  readonly #events: AllocationEvents;
  #lifetimeMs: number;
  #refreshedAt = performance.now();
  #renewedAt = performance.now();
  #isRefreshing = false;
  readonly #permitted = new Set<string>();
  readonly #channels = new Map<string, Channel>();
  readonly #byNumber = new Map<number, Channel>();
  #nextChannel: number = CHANNELS.first;
  #isClosed = false;

  private constructor(line: Line, relayed: Endpoint, lifetimeS: number, events: AllocationEvents) {
    this.relayed = relayed;
    this.#socket = line.socket;
    this.#requests = line.requests;
    this.#events = events;
    this.#lifetimeMs = lifetimeS * 1000;
    line.onPacket = (bytes) => this.#receive(bytes);
  }

  /**
   * Makes an allocation.
   * @param options.isBehindTunnel - whether packets to an endpoint go through the tunnel. Default: they do not
   * @throws {@link MeshError} `TIMEOUT`, `REFUSED`, with a sentence about the server
   */
  static async open(
    server: Endpoint,
    credentials: Credentials | undefined,
    events: AllocationEvents,
    options: {
      readonly signal?: AbortSignal;
      readonly isBehindTunnel?: (endpoint: Endpoint) => Promise<boolean>;
    } = {},
  ): Promise<Allocation> {
    const { signal, isBehindTunnel } = options;
    let at = server;
    for (let alternates = 0; ; alternates++) {
      // Otherwise each packet would be sent into the tunnel again, without end. An alternate server may be there, too.
      if (await isBehindTunnel?.(at)) throw refused("the way to it leads through the tunnel");
      const line = await Line.open(at, credentials);
      const abort = (): void => line.requests.close();
      signal?.addEventListener("abort", abort);
      try {
        const answer = await line.allocate();
        if (answer.is === "success") return await Allocation.#take(line, answer.message, events);
        const next = alternateIn(answer, at);
        if (next === undefined || alternates === MAX_ALTERNATES)
          throw refusalOf(answer, credentials !== undefined);
        at = next;
      } catch (error) {
        line.close();
        throw error;
      } finally {
        signal?.removeEventListener("abort", abort);
      }
      line.close();
    }
  }

  static async #take(line: Line, message: StunMessage, events: AllocationEvents): Promise<Allocation> {
    const relayed = message.xoredAddressIn(TurnAttribute.XorRelayedAddress);
    const address = relayed && parseAddress(relayed.address);
    const seconds = usefulLifetimeIn(message);
    if (relayed !== undefined && address !== undefined && isReachable(address) && seconds !== undefined)
      return new Allocation(line, relayed, seconds, events);
    await line.free();
    throw refused(
      seconds === undefined
        ? "it gives an address for too short a time"
        : "the address that it gives is none that others can reach",
    );
  }

  /**
   * Lets an address send to the relayed address, from any port.
   * @returns whether the server has accepted that
   */
  async permit(address: string): Promise<boolean> {
    const peer: Endpoint = { address, family: this.relayed.family, port: 1 };
    this.#permitted.add(address);
    const answer = await this.#requests.ask(TurnMethod.CreatePermission, (transaction) => [
      xorPeerAddress(peer, transaction),
    ]);
    if (answer.is === "error") this.#permitted.delete(address);
    return answer.is === "success";
  }

  /** Stops renewing an address's permission, so it ends when it expires. */
  forbid(address: string): void {
    this.#permitted.delete(address);
  }

  /** Makes packets to and from a peer shorter, by a channel. */
  bind(peer: Endpoint): void {
    const name = formatEndpoint(peer);
    // A channel number is never used twice in an allocation, because the server may remember it longer than this host.
    if (this.#channels.has(name) || this.#nextChannel > CHANNELS.last) return;
    const channel: Channel = { number: this.#nextChannel++, peer, isBound: false };
    this.#channels.set(name, channel);
    this.#byNumber.set(channel.number, channel);
    void this.#bind(channel);
  }

  unbind(peer: Endpoint): void {
    const channel = this.#channels.get(formatEndpoint(peer));
    if (channel === undefined) return;
    this.#channels.delete(formatEndpoint(peer));
    this.#byNumber.delete(channel.number);
  }

  /** Sends data to a peer, from the relayed address. */
  send(data: Uint8Array, peer: Endpoint): void {
    if (this.#isClosed) return;
    const channel = this.#channels.get(formatEndpoint(peer));
    if (channel?.isBound) this.#socket.sendParts(channelHead(channel.number, data.length), data);
    else this.#socket.send(writeSend(peer, data));
  }

  /** Does what is due. Must be called every second. */
  upkeep(now: number): void {
    if (now - this.#refreshedAt >= Math.min(REFRESH_MS, this.#lifetimeMs / 2)) void this.#refresh();
    if (now - this.#renewedAt < RENEW_MS) return;
    this.#renewedAt = now;
    for (const address of this.#permitted) void this.permit(address);
    for (const channel of this.#channels.values()) void this.#bind(channel);
  }

  /** Must be called when a path is in doubt: the server may have been restarted. */
  check(now: number): void {
    if (now - this.#refreshedAt >= DOUBT_MS) void this.#refresh();
  }

  /** Frees the allocation. Resolves when the server knows, or after a short time. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await farewell(this.#requests);
    this.#end();
  }

  /** Drops the allocation without telling the server, which would not recognise this host at its new address. */
  abandon(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#end();
  }

  #end(): void {
    this.#requests.close();
    this.#socket.close();
  }

  #lose(why: Error): void {
    if (this.#isClosed) return;
    this.abandon();
    this.#events.onLost(why);
  }

  async #refresh(): Promise<void> {
    if (this.#isRefreshing || this.#isClosed) return;
    this.#isRefreshing = true;
    const answer = await this.#requests.ask(TurnMethod.Refresh, () => []);
    this.#isRefreshing = false;
    if (answer.is !== "success") return this.#lose(refusalOf(answer, true));
    const seconds = usefulLifetimeIn(answer.message);
    if (seconds === undefined) return this.#lose(refused("it has ended our allocation"));
    this.#lifetimeMs = seconds * 1000;
    this.#refreshedAt = performance.now();
  }

  async #bind(channel: Channel): Promise<void> {
    const answer = await this.#requests.ask(TurnMethod.ChannelBind, (transaction) => [
      channelNumber(channel.number),
      xorPeerAddress(channel.peer, transaction),
    ]);
    if (answer.is === "success") channel.isBound = true;
    // The server does not know the channel any more, so packets for it would be lost.
    else if (answer.is === "error") channel.isBound = false;
  }

  #receive(bytes: Buffer): void {
    const inChannel = readChannel(bytes);
    if (inChannel !== undefined) {
      const channel = this.#byNumber.get(inChannel.channel);
      if (channel !== undefined) this.#events.onData(inChannel.data, channel.peer);
      return;
    }
    const message = readMessage(bytes);
    if (message === undefined || this.#requests.receive(message)) return;
    const data = readData(message);
    if (data !== undefined && this.#permitted.has(data.peer.address))
      this.#events.onData(data.data, data.peer);
  }
}

/** The connection to one server, before and after there is an allocation. */
class Line {
  readonly socket: TurnSocket;
  readonly requests: TurnRequests;
  /** Default: only answers to requests are handled. */
  onPacket: (bytes: Buffer) => void;

  private constructor(socket: TurnSocket, credentials: Credentials | undefined) {
    this.socket = socket;
    this.requests = new TurnRequests(credentials, (bytes) => socket.send(bytes));
    this.onPacket = (bytes) => {
      const message = readMessage(bytes);
      if (message !== undefined) this.requests.receive(message);
    };
  }

  /** @throws {@link MeshError} `REFUSED` when there is no route to the server */
  static async open(server: Endpoint, credentials: Credentials | undefined): Promise<Line> {
    let line: Line | undefined;
    try {
      const socket = await TurnSocket.open(server, (bytes) => line?.onPacket(bytes));
      line = new Line(socket, credentials);
      return line;
    } catch (error) {
      throw refused(`there is no way to it (${error instanceof Error ? error.message : error})`);
    }
  }

  /** Asks for IPv4, and for IPv6 if the server has nothing else. */
  async allocate(): Promise<Answer> {
    const answer = await this.requests.ask(TurnMethod.Allocate, () => [requestedTransport()]);
    if (answer.is !== "error" || answer.code !== FAMILY_UNSUPPORTED) return answer;
    return await this.requests.ask(TurnMethod.Allocate, () => [requestedTransport(), requestedIPv6()]);
  }

  async free(): Promise<void> {
    await farewell(this.requests);
  }

  close(): void {
    this.requests.close();
    this.socket.close();
  }
}

/** The lifetime in seconds; undefined when it is too short to be useful. */
function usefulLifetimeIn(message: StunMessage): number | undefined {
  const seconds = lifetimeIn(message);
  if (seconds === undefined || seconds < LIFETIME_S.least) return undefined;
  return Math.min(seconds, LIFETIME_S.most);
}

/**
 * The next server to try: the alternate one that the server names, or the same one from another port after a mismatch.
 */
function alternateIn(answer: Exclude<Answer, { is: "success" }>, from: Endpoint): Endpoint | undefined {
  if (answer.is !== "error") return undefined;
  if (answer.code === MISMATCH) return from;
  const next = answer.code === TRY_ALTERNATE && answer.message.addressIn(TurnAttribute.AlternateServer);
  if (!next || next.family !== from.family) return undefined;
  const [there, here] = [next, from].map(({ address }) => parseAddress(address));
  if (there === undefined || here === undefined) return undefined;
  // Other hosts must be able to reach the alternate server. The exception is an alternate server whose address has the
  // same scope as that of the server, e.g. loopback.
  return isReachable(there) || scopeOf(there) === scopeOf(here) ? next : undefined;
}

async function farewell(requests: TurnRequests): Promise<void> {
  const over = new AbortController();
  const patience = delay(FAREWELL_MS, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([requests.ask(TurnMethod.Refresh, () => [lifetime(0)]), patience]);
  over.abort();
}
