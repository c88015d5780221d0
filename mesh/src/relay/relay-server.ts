import type { RelaySession } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { contains } from "../ip/prefix.js";
import { Budgets } from "../probe/budgets.js";
import { ByteBucket } from "./byte-bucket.js";
import { Forwarder } from "./forwarder.js";
import {
  ALL_BYTES_PER_SECOND,
  BIND_MS,
  IDLE_MS,
  MAX_SESSIONS,
  MAX_SESSIONS_OF_PEER,
  REMEMBERED_MS,
  REQUESTS,
  SWEEP_MS,
} from "./limits.js";
import { encodeRelayMessage, type Refusal, type RelayMessage } from "./message.js";
import { directPathOf, type RelayPeer, type Tell } from "./relay-peer.js";

/** What a relay needs. */
export interface RelayServerMeans {
  /** Whether the owner of this host allows relaying. */
  readonly isOn: boolean;
  /** Whether the network lets a host relay. */
  readonly mayRelay: (publicKey: string) => boolean;
  /** The own public key, in base64. */
  readonly own: () => string;
  readonly peers: ReadonlyMap<string, RelayPeer>;
  readonly tell: Tell;
  /** Returns the own addresses in the tunnel, the best first. */
  readonly overlay: () => readonly string[];
  /** Handles a packet. Returns whether it belongs to the prober. */
  readonly receive: (bytes: Uint8Array, remote: Endpoint, local: string) => boolean;
  /** Returns Unix ms. */
  readonly getTime: () => number;
}

/** A pair that this host relays for. */
interface Session {
  /** The public keys of both peers, in base64. */
  readonly pair: readonly [string, string];
  readonly forwarder: Forwarder;
  readonly openedAt: number;
  /** Unix ms. */
  readonly since: number;
}

/** Relays for pairs of its own peers, as long as it has a direct path to both. */
export class RelayServer {
  readonly #means: RelayServerMeans;
  readonly #sessions = new Map<string, Session>();
  /** The places that are being opened. */
  readonly #opening = new Map<string, Promise<Session | undefined>>();
  /** The requests that came too early, by pair: who asked for whom, and when. */
  readonly #early = new Map<string, { readonly from: string; readonly to: string; readonly at: number }>();
  readonly #requests = new Budgets(REQUESTS.perSecond, REQUESTS.burst, Number.POSITIVE_INFINITY);
  readonly #all = new ByteBucket(ALL_BYTES_PER_SECOND);
  #sweeping: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: RelayServerMeans) {
    this.#means = means;
  }

  /** The sessions that this host relays; undefined when it is no relay. */
  sessions(): RelaySession[] | undefined {
    if (!this.#isOn) return undefined;
    return [...this.#sessions.values()].map(({ pair, since, forwarder }) => ({
      peers: pair,
      endpoint: formatEndpoint(forwarder.endpoint),
      since,
      isOpen: forwarder.isOpen,
      packets: forwarder.packets,
      bytes: forwarder.bytes,
      dropped: forwarder.dropped,
    }));
  }

  /** Why this host does not relay although its owner wants that, in one sentence. */
  get trouble(): string | undefined {
    if (!this.#means.isOn || this.#isOn) return undefined;
    return "this host relays for nobody, since an admin does not let it: sidewire-mesh set NAME --relay changes that";
  }

  get #isOn(): boolean {
    const { isOn, mayRelay, own } = this.#means;
    return isOn && mayRelay(own());
  }

  /** Handles a peer's request for a place with another peer. Both are told of the place. */
  async request(from: string, to: string): Promise<void> {
    if (!this.#requests.take(from, performance.now())) return;
    await this.#request(from, to);
  }

  async #request(from: string, to: string): Promise<void> {
    if (this.#isClosed) return;
    const address = this.#addressFor(from, to);
    if (typeof address !== "string") {
      if (address.refusal === "no-path") this.#remember(from, to);
      void this.#tell(from, { type: "refused", peer: to, reason: address.refusal });
      return;
    }
    const pair = pairOf(from, to);
    const name = pair.join(" ");
    this.#early.delete(name);
    const session = this.#sessions.get(name) ?? (await this.#open(name, pair, address));
    if (session === undefined) {
      void this.#tell(from, { type: "refused", peer: to, reason: "failed" });
      return;
    }
    const { id, endpoint } = session.forwarder;
    void this.#tell(from, { type: "allocated", peer: to, id, endpoint });
    void this.#tell(to, { type: "allocated", peer: from, id, endpoint });
  }

  /**
   * Handles a peer's message to a place about where the peer is.
   * @param local - the place that the message came to
   */
  bind(from: string, id: bigint, remote: Endpoint, local: string | undefined): void {
    const address = parseAddress(remote.address);
    const session = [...this.#sessions.values()].find(({ forwarder }) => forwarder.id === id);
    const end = session?.pair.indexOf(from);
    const isOwn = this.#means.peers
      .get(from)
      ?.allowedIps.some((prefix) => address !== undefined && contains(prefix, address));
    if (session?.forwarder.local !== local || !isOwn || (end !== 0 && end !== 1)) return;
    session?.forwarder.bind(end, remote);
  }

  /** Handles a peer's message that it gives up a place. The other peer is told. */
  release(from: string, to: string, id: bigint): void {
    for (const [name, session] of this.#sessions) {
      if (session.forwarder.id === id && session.pair.includes(from) && session.pair.includes(to))
        void this.#end(name, session, from);
    }
  }

  /** Must be called when this host may have lost the permission to relay. */
  changed(): void {
    if (this.#isOn) return;
    for (const [name, session] of this.#sessions) void this.#end(name, session);
  }

  /** Must be called when a peer's path has changed. Without a direct path there is no relaying. */
  peerChanged(peer: string): void {
    const { machine } = this.#means.peers.get(peer) ?? {};
    if (machine?.snapshot(performance.now()).state === "direct") {
      this.#catchUp(peer);
      return;
    }
    const ofPeer = [...this.#sessions].filter(([, { pair }]) => pair.includes(peer));
    for (const [name, session] of ofPeer) void this.#end(name, session);
  }

  /** Sends an answer from the place that it belongs to. @returns undefined when it belongs to none */
  send(bytes: Uint8Array, remote: Endpoint, local: string | undefined): boolean | undefined {
    if (local === undefined || !local.startsWith("relay ")) return undefined;
    const session = [...this.#sessions.values()].find(({ forwarder }) => forwarder.local === local);
    session?.forwarder.send(bytes, remote);
    return session !== undefined;
  }

  /** Gives up all places, and tells all peers. Resolves when they know, or cannot be told. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#sessions].map(([name, session]) => this.#end(name, session)));
  }

  #remember(from: string, to: string): void {
    const name = pairOf(from, to).join(" ");
    this.#early.delete(name);
    this.#early.set(name, { from, to, at: performance.now() });
    const [oldest] = this.#early.keys();
    if (this.#early.size > MAX_SESSIONS && oldest !== undefined) this.#early.delete(oldest);
  }

  /** There is now a direct path to a peer, so early requests with this peer are handled. */
  #catchUp(peer: string): void {
    const now = performance.now();
    for (const [name, { from, to, at }] of [...this.#early]) {
      if (from !== peer && to !== peer) continue;
      this.#early.delete(name);
      if (now - at < REMEMBERED_MS) void this.#request(from, to);
    }
  }

  /** The address of a place for these two peers, or the reason why there is none. */
  #addressFor(from: string, to: string): string | { readonly refusal: Refusal } {
    const { peers, overlay } = this.#means;
    const [one, other] = [peers.get(from), peers.get(to)];
    if (!this.#isOn) return { refusal: "off" };
    if (one === undefined || other === undefined || from === to) return { refusal: "no-peer" };
    if (directPathOf(one) === undefined || directPathOf(other) === undefined) return { refusal: "no-path" };
    const address = overlay().find((text) => {
      const length = parseAddress(text)?.length;
      return [one, other].every(({ allowedIps }) =>
        allowedIps.some((prefix) => prefix.address.length === length),
      );
    });
    if (address === undefined) return { refusal: "no-address" };
    const isKnown = this.#sessions.has(pairOf(from, to).join(" "));
    const all = [...this.#sessions.keys(), ...this.#opening.keys()];
    const ofAsker = all.filter((name) => name.split(" ").includes(from));
    const isFull = all.length >= MAX_SESSIONS || ofAsker.length >= MAX_SESSIONS_OF_PEER;
    return isFull && !isKnown ? { refusal: "full" } : address;
  }

  #open(name: string, pair: readonly [string, string], address: string): Promise<Session | undefined> {
    let opening = this.#opening.get(name);
    if (opening === undefined) {
      opening = this.#openPlace(name, pair, address).finally(() => this.#opening.delete(name));
      this.#opening.set(name, opening);
    }
    return opening;
  }

  async #openPlace(
    name: string,
    pair: readonly [string, string],
    address: string,
  ): Promise<Session | undefined> {
    const means = { take: this.#means.receive, all: this.#all };
    const forwarder = await Forwarder.open(address, means).catch(() => undefined);
    if (forwarder === undefined) return undefined;
    if (this.#isClosed) {
      forwarder.close();
      return undefined;
    }
    const session = { pair, forwarder, openedAt: performance.now(), since: this.#means.getTime() };
    this.#sessions.set(name, session);
    this.#sweeping ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
    return session;
  }

  #sweep(now: number): void {
    for (const [name, session] of this.#sessions) {
      const { forwarder, openedAt } = session;
      const isUnbound = !forwarder.isOpen && now - openedAt >= BIND_MS;
      if (isUnbound || now - forwarder.activeAt >= IDLE_MS) void this.#end(name, session);
    }
  }

  /** @param except - the peer that knows already */
  async #end(name: string, { pair, forwarder }: Session, except?: string): Promise<void> {
    this.#sessions.delete(name);
    if (this.#sessions.size === 0) {
      clearInterval(this.#sweeping);
      this.#sweeping = undefined;
    }
    forwarder.close();
    const [one, other] = pair;
    const told = [
      { to: one, peer: other },
      { to: other, peer: one },
    ].filter(({ to }) => to !== except);
    await Promise.all(
      told.map(({ to, peer }) => this.#tell(to, { type: "released", peer, id: forwarder.id })),
    );
  }

  async #tell(to: string, message: RelayMessage): Promise<void> {
    const { machine } = this.#means.peers.get(to) ?? {};
    const path = machine?.snapshot(performance.now()).path?.name;
    if (path !== undefined) await this.#means.tell(to, path, encodeRelayMessage(message));
  }
}

function pairOf(one: string, other: string): readonly [string, string] {
  return one < other ? [one, other] : [other, one];
}
