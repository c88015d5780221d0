import type { OwnAddresses } from "./candidates/own-addresses.js";
import type { DeviceState } from "./device/state.js";
import { Asking } from "./facts/asking.js";
import { FACTS_PORT, LOOK_MS } from "./facts/constants.js";
import { Exchange } from "./facts/exchange.js";
import { FactSocket, type OnFacts } from "./facts/fact-socket.js";
import { type Introduction, Introductions } from "./facts/introductions.js";
import { isRouter, type Standing, standingOf, type TrustLevel } from "./facts/trust.js";
import { formatAddress } from "./ip/address.js";
import { linkLocalAddress } from "./overlay/link-local.js";
import type { Peer } from "./peer.js";
import { formatKey, parseKey } from "./wireguard-key.js";

/** The part of the socket that gossip uses. Tests replace the socket. */
type Socket = Pick<FactSocket, "isBroken" | "send" | "close">;

/** What gossip needs. Peers are named by their public keys in base64. */
export interface GossipMeans {
  /** The name of the interface. */
  readonly interface: string;
  readonly peers: ReadonlyMap<string, Pick<Peer, "machine" | "allowedIps" | "isAsleep" | "take">>;
  readonly publicKey: () => Uint8Array;
  readonly boot: () => bigint;
  readonly addresses: Pick<OwnAddresses, "candidates" | "reachable">;
  /** The trust levels of the configuration. */
  readonly trust: ReadonlyMap<string, TrustLevel>;
  /** Whether all peers are told where the other peers are. Default: no. */
  readonly isChatty?: boolean | undefined;
  readonly isMember: (name: string) => boolean;
  readonly isAdmin: (name: string) => boolean;
  readonly mayMeet: (one: string, other: string) => boolean;
  readonly rosterHash: () => Uint8Array | undefined;
  /** Called when a peer says which roster it has. */
  readonly onRosterHash: (name: string, hash: Uint8Array) => void;
  /** Gives the interface its link-local addresses. */
  readonly useLinkLocals: () => Promise<DeviceState>;
  readonly onState: (state: DeviceState) => void;
  /** Called when a datagram goes through the tunnel to a peer, or has come from one. */
  readonly onPassed: (name: string, direction: "sent" | "received", bytes: number) => void;
  readonly onWarning: (message: string) => void;
  /** Opens the socket. For tests. Default: {@link FactSocket.open} */
  readonly open?: (address: string, device: string, onFacts: OnFacts) => Promise<Socket | string>;
}

/**
 * Peers tell each other in the tunnel where other peers are. Gossip starts when the first peer is reached: before that
 * there is nobody to tell, and gossip must not delay the way to the first peer.
 */
export class Gossip {
  readonly #means: GossipMeans;
  readonly #exchange: Exchange;
  readonly #asking = new Asking();
  readonly #introductions = new Introductions();
  /** The link-local address of each peer, and the peer of each address. */
  readonly #addresses = new Map<string, string>();
  readonly #names = new Map<string, string>();
  /** The peers that a path led to at the last look. */
  #reached: ReadonlySet<string> = new Set();
  #beginning: Promise<void> | undefined;
  #opening: Promise<void> | undefined;
  #socket: Socket | undefined;
  #openedFor: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trouble: string | undefined;
  #isClosed = false;

  constructor(means: GossipMeans) {
    this.#means = means;
    const { boot, addresses, rosterHash, onWarning } = means;
    this.#exchange = new Exchange({
      own: () => formatKey(means.publicKey()),
      boot,
      candidates: () => addresses.candidates(),
      rosterHash,
      mayMeet: means.mayMeet,
      standing: (name) => this.#standing(name),
      onDropped: (name, why) => onWarning(`facts of ${name} are dropped: ${why}`),
    });
  }

  /** Why peers tell each other nothing, in one sentence. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** The number of stored facts; undefined before the first peer is reached, and when gossip does not work. */
  get held(): number | undefined {
    return this.#socket === undefined ? undefined : this.#exchange.store.size;
  }

  /** Whether a trusted peer has recently said in the tunnel that it is there. */
  isAlive(name: string): boolean {
    return this.#exchange.store.alive(name, performance.now()) !== undefined;
  }

  /** Must be called when a path leads to a peer for the first time. */
  met(name: string): void {
    if (this.#isClosed) return;
    this.#beginning ??= this.#begin();
    void this.#beginning.then(() => {
      this.#look();
      this.#tell(name);
    });
  }

  /** Must be called when the own candidates have changed. */
  changed(): void {
    this.#exchange.changed();
    this.#look();
  }

  /** Must be called when the host has slept or moved: the peers may have forgotten what they were told. */
  again(): void {
    this.#exchange.again();
    this.#look();
  }

  /** Must be called when a peer was removed. */
  forget(name: string): void {
    this.#exchange.forget(name);
    this.#introductions.forget(name);
    const address = this.#addresses.get(name);
    this.#addresses.delete(name);
    if (address !== undefined) this.#names.delete(address);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#beginning;
    await this.#opening;
    await this.#socket?.close();
  }

  async #begin(): Promise<void> {
    const { interface: name, useLinkLocals, onState } = this.#means;
    try {
      onState(await useLinkLocals());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#fail(`${name} gets no link-local addresses (${why}). Is IPv6 switched off there?`);
      return;
    }
    await this.#open();
    if (this.#isClosed) return;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  async #open(): Promise<void> {
    const { interface: device, publicKey, open = FactSocket.open } = this.#means;
    const own = linkLocalAddress(publicKey());
    await this.#socket?.close();
    this.#socket = undefined;
    this.#openedFor = own;
    const opened = await open(own, device, (bytes, from) => this.#hear(bytes, from));
    if (typeof opened === "string") {
      const why = opened === "EADDRINUSE" ? "another program has it" : opened;
      this.#fail(`UDP port ${FACTS_PORT} at ${own} on ${device} cannot be had (${why})`);
      return;
    }
    this.#socket = opened;
    this.#trouble = undefined;
    // With another key or another interface, the peers do not know what was said before.
    this.#exchange.again();
  }

  #fail(why: string): void {
    const trouble = `peers do not tell this host where others are: ${why}`;
    if (trouble !== this.#trouble) this.#means.onWarning(trouble);
    this.#trouble = trouble;
  }

  /** Finds out which peers are reached, whom to ask, and whom to tell. */
  #look(): void {
    if (this.#timer === undefined || this.#isClosed) return;
    const { peers, publicKey, isAdmin } = this.#means;
    if (this.#socket?.isBroken !== false || this.#openedFor !== linkLocalAddress(publicKey()))
      this.#opening ??= this.#open().finally(() => {
        this.#opening = undefined;
      });
    const now = performance.now();
    this.#exchange.store.sweep(now);
    const before = this.#reached;
    const reached = [...peers].filter(([, { machine }]) => machine.snapshot(now).path !== undefined);
    this.#reached = new Set(reached.map(([name]) => name));
    const knows = (name: string): boolean => isAdmin(name) || isRouter(peers.get(name)?.allowedIps ?? []);
    const awake = [...peers].filter(([, { isAsleep }]) => !isAsleep);
    const sought = awake.map(([name]) => name).filter((name) => !this.#reached.has(name));
    this.#exchange.ask(this.#asking.choose([...this.#reached], knows, sought, now));
    // These peers are no longer reached, so what others say about them is useful now.
    for (const name of before) {
      if (this.#reached.has(name)) continue;
      for (const by of this.#exchange.store.sendersOf(name)) this.#introduce("begin", { by, subject: name });
    }
    for (const waiting of this.#introductions.waiting()) this.#introduce("resume", waiting);
    for (const name of peers.keys()) this.#linkLocalOf(name);
    for (const name of this.#reached) this.#tell(name);
  }

  #tell(name: string): void {
    const address = this.#addressOf(name);
    if (this.#socket === undefined || address === undefined || this.#isClosed) return;
    for (const bytes of this.#exchange.tell(name, performance.now())) {
      this.#means.onPassed(name, "sent", bytes.length);
      this.#socket.send(bytes, address);
    }
  }

  #hear(bytes: Uint8Array, from: string): void {
    const name = this.#names.get(from);
    if (name === undefined || this.#addressOf(name) !== from || this.#isClosed) return;
    this.#means.onPassed(name, "received", bytes.length);
    const now = performance.now();
    const heard = this.#exchange.hear(name, bytes, now);
    if (heard === undefined) return;
    if (heard.isAwaiting) this.#tell(name);
    for (const subject of heard.subjects) this.#introduce("begin", { by: name, subject });
    const hash = this.#exchange.store.roster(name, now);
    if (hash !== undefined) this.#means.onRosterHash(name, hash);
  }

  /** A peer says where another peer is. Those candidates are tried, within the limit for that peer. */
  #introduce(step: "begin" | "resume", introduction: Introduction): void {
    const { by, subject } = introduction;
    const peer = this.#means.peers.get(subject);
    const now = performance.now();
    if (peer === undefined || peer.machine.snapshot(now).path !== undefined) {
      this.#introductions.drop(introduction);
      return;
    }
    const named = this.#means.addresses.reachable(this.#exchange.candidates(by, subject, now));
    const candidates = this.#introductions[step](introduction, named, now);
    if (candidates.length > 0) peer.take({ type: "introduced", candidates });
  }

  #standing(name: string): Standing | undefined {
    const peer = this.#means.peers.get(name);
    if (peer === undefined) return undefined;
    const { trust, isMember, isChatty } = this.#means;
    const { allowedIps } = peer;
    return standingOf({ allowedIps, trust: trust.get(name), isMember: isMember(name), isChatty });
  }

  /**
   * The address to tell a peer at, from which it also speaks; undefined when that address is not among its allowed IPs.
   */
  #addressOf(name: string): string | undefined {
    const address = this.#linkLocalOf(name);
    const { allowedIps = [] } = this.#means.peers.get(name) ?? {};
    return allowedIps.some((ip) => ip.bits === 128 && formatAddress(ip.address) === address)
      ? address
      : undefined;
  }

  #linkLocalOf(name: string): string {
    const known = this.#addresses.get(name);
    if (known !== undefined) return known;
    const address = linkLocalAddress(parseKey(name));
    this.#addresses.set(name, address);
    this.#names.set(address, name);
    return address;
  }
}
