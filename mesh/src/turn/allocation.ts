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

/** What an allocation tells. */
export interface AllocationEvents {
  /** A permitted address sent something to the relayed one. */
  onData(data: Uint8Array, peer: Endpoint): void;
  /** It is no more. */
  onLost(why: Error): void;
}

/** What a server does not do, by the number of its error (RFC 8656, section 19). */
const TRY_ALTERNATE = 300;
const MISMATCH = 437;
const FAMILY_UNSUPPORTED = 440;

interface Channel {
  readonly number: number;
  readonly peer: Endpoint;
  /** The server has said yes. Until then data goes without it. */
  isBound: boolean;
}

/**
 * One allocation at a TURN server (RFC 8656): an address there, which passes on to us what permitted addresses send to
 * it, and sends to them what we want. The server alone is heard, and nothing that it says is believed but what is signed.
 */
export class Allocation {
  /** Where peers send to. */
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
   * Gets one.
   * @param options.isBehindTunnel - whether packets to an endpoint go through the tunnel. Default: none do
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
      // Each packet would be sent into the tunnel again, for ever. Another server that this one names may lie there, too.
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
   * Lets an address send to the relayed one, from whichever port.
   * @returns whether the server does
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

  /** Lets an address send no more, as soon as its permission is over. */
  forbid(address: string): void {
    this.#permitted.delete(address);
  }

  /** Makes what goes to a peer and comes from it shorter. */
  bind(peer: Endpoint): void {
    const name = formatEndpoint(peer);
    // Numbers are not used again within the life of an allocation: a server may remember them longer than we.
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

  /** Sends something to a peer, from the relayed address. */
  send(data: Uint8Array, peer: Endpoint): void {
    if (this.#isClosed) return;
    const channel = this.#channels.get(formatEndpoint(peer));
    if (channel?.isBound) this.#socket.sendParts(channelHead(channel.number, data.length), data);
    else this.#socket.send(writeSend(peer, data));
  }

  /** Does what is due: to be called each second. */
  upkeep(now: number): void {
    if (now - this.#refreshedAt >= Math.min(REFRESH_MS, this.#lifetimeMs / 2)) void this.#refresh();
    if (now - this.#renewedAt < RENEW_MS) return;
    this.#renewedAt = now;
    for (const address of this.#permitted) void this.permit(address);
    for (const channel of this.#channels.values()) void this.#bind(channel);
  }

  /** A path is in doubt: the server may have been started anew. */
  check(now: number): void {
    if (now - this.#refreshedAt >= DOUBT_MS) void this.#refresh();
  }

  /** Frees it. Resolves when the server knows, or after a short while. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await farewell(this.#requests);
    this.#end();
  }

  /** Leaves it to itself: the server would not know us from where we are now. */
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
    // The server does not know it any more: what is sent by it would vanish.
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

/** The way to one server, before there is an allocation and after. */
class Line {
  readonly socket: TurnSocket;
  readonly requests: TurnRequests;
  /** Default: what answers requests is taken. */
  onPacket: (bytes: Buffer) => void;

  private constructor(socket: TurnSocket, credentials: Credentials | undefined) {
    this.socket = socket;
    this.requests = new TurnRequests(credentials, (bytes) => socket.send(bytes));
    this.onPacket = (bytes) => {
      const message = readMessage(bytes);
      if (message !== undefined) this.requests.receive(message);
    };
  }

  /** @throws {@link MeshError} `REFUSED` when there is no way there */
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

  /** For IPv4; for IPv6 where the server has no other. */
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

/** Seconds; undefined where it is of no use. */
function usefulLifetimeIn(message: StunMessage): number | undefined {
  const seconds = lifetimeIn(message);
  if (seconds === undefined || seconds < LIFETIME_S.least) return undefined;
  return Math.min(seconds, LIFETIME_S.most);
}

/** Where a server sends us on to; for a mismatch the same one again, from another port. */
function alternateIn(answer: Exclude<Answer, { is: "success" }>, from: Endpoint): Endpoint | undefined {
  if (answer.is !== "error") return undefined;
  if (answer.code === MISMATCH) return from;
  const next = answer.code === TRY_ALTERNATE && answer.message.addressIn(TurnAttribute.AlternateServer);
  if (!next || next.family !== from.family) return undefined;
  const [there, here] = [next, from].map(({ address }) => parseAddress(address));
  if (there === undefined || here === undefined) return undefined;
  // One on this host may name another one here, and nobody else may.
  return isReachable(there) || scopeOf(there) === scopeOf(here) ? next : undefined;
}

async function farewell(requests: TurnRequests): Promise<void> {
  const over = new AbortController();
  const patience = delay(FAREWELL_MS, undefined, { signal: over.signal }).catch(() => {});
  await Promise.race([requests.ask(TurnMethod.Refresh, () => [lifetime(0)]), patience]);
  over.abort();
}
