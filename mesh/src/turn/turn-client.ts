import type { Candidate } from "../candidates/candidate.js";
import { StunServerNames } from "../candidates/stun-servers.js";
import type { TurnInfo } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../ip/endpoint.js";
import { isReachable, scopeOf } from "../ip/scope.js";
import type { RelayPeer } from "../relay/relay-peer.js";
import type { Allocation } from "./allocation.js";
import {
  HEARD_MS,
  LINGER_MS,
  MAX_PERMISSIONS_PER_PEER,
  MAX_WAYS,
  RETRY_MAX_MS,
  RETRY_MS,
  SWEEP_MS,
} from "./limits.js";
import { LoopbackPort } from "./loopback-port.js";
import { allocateAt } from "./reach.js";
import { nameOf, type TurnServer } from "./turn-server.js";

/** The name of the TURN socket in {@link TurnClientMeans.receive}, and for sending answers. */
export const BY_TURN = "turn";

/** What a TURN client needs. */
export interface TurnClientMeans {
  readonly servers: readonly TurnServer[];
  readonly peers: ReadonlyMap<string, RelayPeer>;
  /** Returns WireGuard's own port. */
  readonly wireguardPort: () => number;
  /** Passes a packet from an unknown sender to the prober. */
  readonly receive: (bytes: Uint8Array, remote: Endpoint, local: string) => void;
  /** Whether packets of this host to an endpoint go through the tunnel. */
  readonly isBehindTunnel: (endpoint: Endpoint) => Promise<boolean>;
  /** Called when the candidates for a peer have changed. */
  readonly onCandidate: (peer: string) => void;
}

/** A peer for which a relayed way is or was wanted. */
interface Wanted {
  wantedAt: number;
  /** The allocation that the peer was told of. */
  toldOf: Allocation | undefined;
  /** The peer's addresses that may send to the allocation. */
  readonly permitted: Set<string>;
}

/** The way to one peer. Packets from WireGuard to the local port go to the source of the peer's last probe. */
interface Way {
  readonly port: LoopbackPort;
  remote: Endpoint;
}

/**
 * Gets an address at a TURN server for peers without a direct path, and passes datagrams between that address and
 * WireGuard. There is one allocation for all peers, while any peer needs it.
 */
export class TurnClient {
  readonly #means: TurnClientMeans;
  readonly #names = new StunServerNames();
  readonly #wanted = new Map<string, Wanted>();
  /** When a peer's announce last came; monotonic ms. */
  readonly #heardAt = new Map<string, number>();
  readonly #ways = new Map<string, Way>();
  /** The same ways, by the peer's endpoint. */
  readonly #byRemote = new Map<string, Way>();
  /** The ways that are being opened. */
  readonly #opening = new Set<string>();
  readonly #errors = new Map<TurnServer, string>();
  #allocation: { readonly it: Allocation; readonly server: TurnServer; readonly since: number } | undefined;
  #allocating: Promise<void> | undefined;
  #failures = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #sweeping: NodeJS.Timeout | undefined;
  readonly #over = new AbortController();

  constructor(means: TurnClientMeans) {
    this.#means = means;
  }

  info(): TurnInfo[] {
    return this.#means.servers.map((server) => {
      const isOurs = this.#allocation?.server === server;
      return {
        server: nameOf(server),
        relayed: isOurs && this.#allocation ? formatEndpoint(this.#allocation.it.relayed) : undefined,
        peers: isOurs ? this.#ways.size : 0,
        error: this.#errors.get(server),
      };
    });
  }

  /** Must be called when a way to a peer is wanted: none works, or the one in use is in doubt. */
  want(peer: string): void {
    if (this.#isClosed || this.#means.servers.length === 0) return;
    const now = performance.now();
    const wanted = this.#wanted.get(peer);
    if (wanted !== undefined) wanted.wantedAt = now;
    else this.#wanted.set(peer, { wantedAt: now, toldOf: undefined, permitted: new Set() });
    this.#allocation?.it.check(now);
    this.#sweeping ??= setInterval(() => this.#sweep(performance.now()), SWEEP_MS);
    void this.#serve(peer);
  }

  /** Must be called when a peer has announced itself. The peer is there, and may have moved. */
  heard(peer: string): void {
    if (this.#means.servers.length === 0) return;
    this.#heardAt.set(peer, performance.now());
    void this.#serve(peer);
  }

  /** The relayed candidates for a peer. */
  candidatesFor(peer: string): Candidate[] {
    const { it } = this.#allocation ?? {};
    if (it === undefined || this.#wanted.get(peer)?.toldOf !== it) return [];
    return [{ kind: "relayed", endpoint: it.relayed, ageS: 0 }];
  }

  /** The peer that a local endpoint leads to; undefined for any other endpoint. */
  peerAt(endpoint: Endpoint): string | undefined {
    for (const [peer, { port }] of this.#ways)
      if (port.endpoint.port === endpoint.port && port.endpoint.address === endpoint.address) return peer;
    return undefined;
  }

  /** The server of the current allocation. */
  get server(): string | undefined {
    return this.#allocation && nameOf(this.#allocation.server);
  }

  /** Sends an answer of the prober. @returns undefined when it does not belong here */
  send(bytes: Uint8Array, remote: Endpoint, local: string | undefined): boolean | undefined {
    if (local !== BY_TURN) return undefined;
    this.#allocation?.it.send(bytes, remote);
    return this.#allocation !== undefined;
  }

  /** Must be called when a new probe from a peer was proven that came by the relayed address. */
  bind(peer: string, remote: Endpoint): void {
    const allocation = this.#allocation?.it;
    if (allocation === undefined || !this.#wanted.has(peer)) return;
    const way = this.#ways.get(peer);
    if (way === undefined) {
      void this.#open(peer, remote);
      return;
    }
    this.#leave(way);
    way.remote = remote;
    this.#byRemote.set(formatEndpoint(remote), way);
    allocation.bind(remote);
  }

  /** Must be called when a peer was removed. */
  forget(peer: string): void {
    this.#heardAt.delete(peer);
    this.#drop(peer);
  }

  /** Must be called when the host is in another network, because the server would not recognise it. */
  moved(): void {
    this.#failures = 0;
    this.#retryAt = Number.NEGATIVE_INFINITY;
    this.#allocation?.it.abandon();
    this.#allocation = undefined;
    this.#beginAgain();
  }

  /** Frees everything. Resolves when the server knows, or after a short time. */
  async close(): Promise<void> {
    this.#over.abort();
    clearInterval(this.#sweeping);
    await this.#allocating;
    const allocation = this.#allocation?.it;
    for (const peer of [...this.#wanted.keys()]) this.#drop(peer);
    this.#allocation = undefined;
    await allocation?.close();
  }

  async #serve(peer: string): Promise<void> {
    const wanted = this.#wanted.get(peer);
    if (wanted === undefined || !this.#isWanted(peer, performance.now())) return;
    await this.#allocate();
    const allocation = this.#allocation?.it;
    if (allocation === undefined || this.#wanted.get(peer) !== wanted) return;
    const isNew = wanted.toldOf !== allocation;
    if (isNew) wanted.permitted.clear();
    const more = this.#addressesOf(peer, allocation.relayed.family).filter(
      (one) => !wanted.permitted.has(one),
    );
    for (const address of more) wanted.permitted.add(address);
    wanted.toldOf = allocation;
    await Promise.all(more.map((address) => allocation.permit(address)));
    if (isNew && this.#allocation?.it === allocation) this.#means.onCandidate(peer);
  }

  /** Gets an allocation from the first server that gives one, if there is none. */
  async #allocate(): Promise<void> {
    if (this.#allocation !== undefined || performance.now() < this.#retryAt) return;
    this.#allocating ??= this.#allocateAnew().finally(() => {
      this.#allocating = undefined;
    });
    await this.#allocating;
  }

  async #allocateAnew(): Promise<void> {
    for (const server of this.#means.servers) {
      try {
        const it = await allocateAt(server, {
          names: this.#names,
          isBehindTunnel: this.#means.isBehindTunnel,
          events: {
            onData: (data, from) => this.#receive(data, from),
            onLost: (why) => this.#lost(server, why),
          },
          signal: this.#over.signal,
        });
        if (this.#isClosed) return await it.close();
        this.#errors.delete(server);
        this.#allocation = { it, server, since: performance.now() };
        return;
      } catch (error) {
        this.#errors.set(server, error instanceof Error ? error.message : String(error));
      }
    }
    this.#backOff();
  }

  #lost(server: TurnServer, why: Error): void {
    const { since = 0 } = this.#allocation ?? {};
    this.#allocation = undefined;
    this.#errors.set(server, why.message);
    if (performance.now() - since > RETRY_MAX_MS) this.#failures = 0;
    else this.#backOff();
    this.#beginAgain();
  }

  /** The allocation is lost. Peers that need one get a new one. */
  #beginAgain(): void {
    for (const peer of [...this.#ways.keys()]) this.#closeWay(peer);
    for (const peer of this.#wanted.keys()) void this.#serve(peer);
  }

  #backOff(): void {
    this.#retryAt = performance.now() + Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.#failures);
    this.#failures++;
  }

  #sweep(now: number): void {
    for (const peer of [...this.#wanted.keys()]) {
      if (this.#isWanted(peer, now)) void this.#serve(peer);
      else if (!this.#isUsed(peer, now)) this.#drop(peer);
    }
    this.#allocation?.it.upkeep(now);
    if (this.#wanted.size > 0 || this.#allocating !== undefined) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    const allocation = this.#allocation?.it;
    this.#allocation = undefined;
    void allocation?.close();
  }

  /** Whether a way is wanted for a peer that is there. */
  #isWanted(peer: string, now: number): boolean {
    const { wantedAt = Number.NEGATIVE_INFINITY } = this.#wanted.get(peer) ?? {};
    const heardAt = this.#heardAt.get(peer) ?? Number.NEGATIVE_INFINITY;
    return now - wantedAt < LINGER_MS && now - heardAt < HEARD_MS;
  }

  /** Whether the way is in use. By the peer's own allocation, another way may be in use. */
  #isUsed(peer: string, now: number): boolean {
    const way = this.#ways.get(peer);
    const { path } = this.#means.peers.get(peer)?.machine.snapshot(now) ?? {};
    return way !== undefined && path?.name === formatEndpoint(way.port.endpoint);
  }

  /** Nobody needs a way to the peer any more. */
  #drop(peer: string): void {
    this.#closeWay(peer);
    const { permitted = [] } = this.#wanted.get(peer) ?? {};
    this.#wanted.delete(peer);
    // Two peers may be behind the same NAT address.
    const kept = new Set([...this.#wanted.values()].flatMap((other) => [...other.permitted]));
    for (const address of permitted) if (!kept.has(address)) this.#allocation?.it.forbid(address);
  }

  async #open(peer: string, remote: Endpoint): Promise<void> {
    if (this.#opening.has(peer) || this.#ways.size + this.#opening.size >= MAX_WAYS) return;
    this.#opening.add(peer);
    const allocation = this.#allocation?.it;
    const onPacket = (bytes: Uint8Array): void => {
      const way = this.#ways.get(peer);
      if (way !== undefined) this.#allocation?.it.send(bytes, way.remote);
    };
    const port = await LoopbackPort.open(this.#means.wireguardPort, onPacket).catch(() => undefined);
    this.#opening.delete(peer);
    if (port === undefined) return;
    if (this.#isClosed || this.#allocation?.it !== allocation || !this.#wanted.has(peer)) {
      port.close();
      return;
    }
    const way = { port, remote };
    this.#ways.set(peer, way);
    this.#byRemote.set(formatEndpoint(remote), way);
    allocation?.bind(remote);
    this.#means.peers.get(peer)?.take({ type: "relay", path: formatEndpoint(port.endpoint), isOpen: true });
  }

  #closeWay(peer: string): void {
    const way = this.#ways.get(peer);
    if (way === undefined) return;
    this.#ways.delete(peer);
    this.#leave(way);
    way.port.close();
    this.#means.peers
      .get(peer)
      ?.take({ type: "relay", path: formatEndpoint(way.port.endpoint), isOpen: false });
  }

  /** The peer has left its endpoint. */
  #leave(way: Way): void {
    this.#allocation?.it.unbind(way.remote);
    const name = formatEndpoint(way.remote);
    if (this.#byRemote.get(name) === way) this.#byRemote.delete(name);
  }

  /** A packet from a known endpoint goes its way. Any other packet may be a probe that shows where a peer is. */
  #receive(data: Uint8Array, from: Endpoint): void {
    const way = this.#byRemote.get(formatEndpoint(from));
    if (way !== undefined) way.port.deliver(data);
    else this.#means.receive(data, from, BY_TURN);
  }

  get #isClosed(): boolean {
    return this.#over.signal.aborted;
  }

  /**
   * The addresses from which a peer may send, the most widely reachable first. Its own relayed addresses never send
   * here.
   */
  #addressesOf(peer: string, family: 4 | 6): string[] {
    const { path, others = [] } = this.#means.peers.get(peer)?.machine.snapshot(performance.now()) ?? {};
    const all = (path === undefined ? others : [path, ...others])
      .filter(({ kind }) => kind !== "relay" && kind !== "turn")
      .flatMap(({ name }) => parseEndpoint(name) ?? [])
      .filter((endpoint) => endpoint.family === family);
    const reaching = (wanted: "global" | "private"): string[] =>
      all.flatMap(({ address }) => {
        const bytes = parseAddress(address);
        return bytes !== undefined && isReachable(bytes) && scopeOf(bytes) === wanted ? [address] : [];
      });
    return [...new Set([...reaching("global"), ...reaching("private")])].slice(0, MAX_PERMISSIONS_PER_PEER);
  }
}
