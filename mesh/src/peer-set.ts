import type { Candidate } from "./candidates/candidate.js";
import type { OwnAddresses } from "./candidates/own-addresses.js";
import type { Channels } from "./channels.js";
import type { Device } from "./device/device.js";
import type { DevicePeer, DeviceState } from "./device/state.js";
import { isRouter } from "./facts/trust.js";
import { FallingBack } from "./falling-back.js";
import type { MeshStep, PathKind, PeerInfo } from "./info.js";
import { type Endpoint, formatEndpoint, parseEndpoint } from "./ip/endpoint.js";
import type { LanDiscovery } from "./lan/lan-discovery.js";
import { Laziness } from "./laziness.js";
import type { Meeting } from "./meeting.js";
import type { MeshTimes } from "./mesh-options.js";
import { DestinationBudget } from "./path/budget.js";
import { PathMachine } from "./path/machine.js";
import { Tier, tiersOf } from "./path/tiers.js";
import { Peer } from "./peer.js";
import type { Answered, Prober } from "./probe/prober.js";
import type { View } from "./probe/view.js";
import type { Relaying } from "./relay/relaying.js";
import { encodeRestMessage, parseRestMessage } from "./rest-message.js";
import { roundedMs } from "./rounded.js";
import type { StateFile } from "./state-file.js";
import type { Telling } from "./telling.js";
import { OVERHEAD_BYTES } from "./turn/limits.js";
import type { TurnClient } from "./turn/turn-client.js";
import { formatKey, parseKey } from "./wireguard-key.js";
import type { WireGuardLooks } from "./wireguard-looks.js";

/** The bytes that a tunnel adds to each packet: its own headers, UDP's and IP's, by the family of the outer packet. */
const OVERHEAD = { 4: 60, 6: 80 } as const;

const LOOPBACK = "127.0.0.1";

/** What the peer set needs. */
export interface PeerSetMeans {
  /** The map of the peers. Other parts read it. */
  readonly peers: Map<string, Peer>;
  readonly device: Device;
  readonly state: StateFile;
  readonly addresses: OwnAddresses;
  readonly channels: Channels;
  readonly prober: Prober;
  readonly lan: LanDiscovery | undefined;
  readonly relaying: Relaying;
  readonly turn: TurnClient;
  readonly telling: Telling;
  readonly meeting: Meeting;
  /** Whether a peer is an admin of the network. */
  readonly isAdmin: (publicKey: string) => boolean;
  readonly looks: WireGuardLooks;
  readonly getTime: () => number;
  /** Whether peers have a tunnel only while it is used. */
  readonly isLazy: boolean;
  /** Whether this host is a router, which leaves packets to no other router. */
  readonly isRouter: boolean;
  readonly times?: MeshTimes | undefined;
  /** The endpoint of a peer in the configuration. */
  readonly placeOf: (publicKey: string) => Endpoint | undefined;
  readonly onChanged: (peer: PeerInfo) => void;
  /** Called when a path leads to a peer for the first time. */
  readonly onMet: (publicKey: string) => void;
  /** Called when a peer was removed. */
  readonly onRemoved: (publicKey: string) => void;
  readonly onStep: (step: MeshStep) => void;
  readonly onError: (error: unknown) => void;
}

/** The peers of the interface, each with a path machine. Peers come and go with WireGuard's peers. */
export class PeerSet {
  readonly #means: PeerSetMeans;
  /** The peers that a path leads to. */
  readonly #met = new Set<string>();
  readonly #fallingBack: FallingBack | undefined;
  readonly #laziness: Laziness | undefined;
  readonly #destinations = new DestinationBudget();
  /** How many bytes smaller the packets to a peer are. */
  readonly #overheads = new Map<string, number>();
  /** The own key for which the peers were added, in base64. */
  #addedWith: string | undefined;
  #isClosed = false;

  constructor(means: PeerSetMeans) {
    this.#means = means;
    const { peers, device, times, getTime, onError } = means;
    const onState = (state: DeviceState): void => this.takeState(state);
    if (!means.isRouter)
      this.#fallingBack = new FallingBack({
        ...{ peers, device, onState, onError, guardMs: times?.fallbackGuardMs },
      });
    if (means.isLazy)
      this.#laziness = new Laziness({
        ...{ peers, device, getTime, onState, onError, idleMs: times?.idleMs },
        tell: async (name, message) => {
          const endpoint = this.endpointOf(name);
          return (
            endpoint !== undefined && (await means.prober.tell(name, endpoint, encodeRestMessage(message)))
          );
        },
      });
  }

  /** Whether any peer has a known path. */
  get hasPaths(): boolean {
    return [...this.#means.peers.values()].some((peer) => peer.machine.size > 0);
  }

  /** Whether a path is sought: to a peer, or to nobody in particular because there are no peers yet. */
  get isAnySought(): boolean {
    const all = [...this.#means.peers.values()];
    const now = performance.now();
    const isReached = ({ machine, isAsleep }: Peer): boolean =>
      isAsleep || machine.snapshot(now).path !== undefined;
    return all.length === 0 || !all.every(isReached);
  }

  /** Handles the current state of all peers in WireGuard. */
  takeState(state: DeviceState): void {
    if (this.#isClosed) return;
    const { peers, getTime } = this.#means;
    const own = formatKey(this.#ownKey);
    // With another own key, the shared secrets are different.
    const isSameKey = own === this.#addedWith;
    const there = new Set(isSameKey ? state.peers.map(({ publicKey }) => publicKey) : []);
    this.#addedWith = own;
    if (!isSameKey) void this.#means.channels.endAll();
    for (const name of peers.keys()) if (!there.has(name)) this.#remove(name);
    this.#planMeeting(state);
    const wallNow = getTime();
    for (const shown of state.peers) {
      if (!peers.has(shown.publicKey)) this.#add(shown);
      peers.get(shown.publicKey)?.look(shown, wallNow);
    }
    this.#laziness?.look(state);
    this.#fallingBack?.look(state);
  }

  /** Handles a peer's message about the end of the tunnel. */
  hearRest(name: string, bytes: Uint8Array): void {
    const message = parseRestMessage(bytes);
    if (message !== undefined) void this.#laziness?.hear(name, message);
  }

  /** Must be called when an own datagram goes through the tunnel to a peer, or has come from it. */
  passed(name: string, direction: "sent" | "received", bytes: number): void {
    this.#laziness?.pass(name, direction, bytes);
  }

  /** The endpoint of a peer on a proven path. */
  endpointOf(name: string): Endpoint | undefined {
    const path = this.#means.peers.get(name)?.machine.snapshot(performance.now()).path;
    return path?.isProven ? parseEndpoint(path.name) : undefined;
  }

  viewOf(name: string, endpoint: Endpoint): View {
    const view = this.#means.peers.get(name)?.machine.view(formatEndpoint(endpoint), performance.now());
    return view ?? { isProven: false, isChosen: false, asksForHandshake: false };
  }

  probe(name: string, path: string): void {
    const endpoint = parseEndpoint(path);
    if (endpoint !== undefined) this.#means.prober.send(name, endpoint, this.viewOf(name, endpoint));
  }

  /** Tries a place of a peer that the configuration names, where no path is known. */
  tryPlace(name: string, endpoint: Endpoint): void {
    const candidates = this.#means.addresses.reachable([{ kind: "configured", endpoint, ageS: 0 }]);
    this.#means.peers.get(name)?.take({ type: "introduced", candidates });
  }

  /** Must be called when a probe of a peer came in. */
  probed(name: string, endpoint: Endpoint, view: View): void {
    if (this.#isOutside(name, endpoint))
      this.#means.peers.get(name)?.take({ type: "probed", path: formatEndpoint(endpoint), view });
  }

  /** @returns whether this is an answer on a path to the peer */
  answered({ peer, endpoint, roundTripMs, view }: Answered): boolean {
    // An address of a relay's forwarder answers in the tunnel. That is not a path to the relay itself.
    if (!this.#isOutside(peer, endpoint)) return false;
    const path = formatEndpoint(endpoint);
    if (!this.viewOf(peer, endpoint).isProven) {
      const step = { step: "answered", publicKey: peer, endpoint: path } as const;
      this.#means.onStep({ ...step, roundTripMs: roundedMs(roundTripMs) });
    }
    this.#means.peers.get(peer)?.take({ type: "answered", path, roundTripMs, view });
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#fallingBack?.close();
    this.#laziness?.close();
    for (const peer of this.#means.peers.values()) peer.close();
  }

  get #ownKey(): Uint8Array {
    return this.#means.device.state.publicKey ?? new Uint8Array();
  }

  #planMeeting({ peers }: DeviceState): void {
    const { meeting, isAdmin } = this.#means;
    const routers = new Set(
      peers.filter(({ allowedIps }) => isRouter(allowedIps)).map(({ publicKey }) => publicKey),
    );
    const knows = (name: string): boolean => routers.has(name) || isAdmin(name);
    meeting.set(
      peers.map(({ publicKey }) => publicKey),
      knows,
      performance.now(),
    );
  }

  #add(shown: DevicePeer): void {
    const { peers, state, addresses, channels, prober, lan, relaying, turn, telling, meeting } = this.#means;
    const name = shown.publicKey;
    const pair = channels.pairWith(name);
    const channel = channels.to(name);
    if (pair === undefined || channel === undefined) return;
    const key = parseKey(name);
    const makeMachine = (): PathMachine =>
      new PathMachine({
        isDecider: Buffer.compare(this.#ownKey, key) < 0,
        // An endpoint that is reached through the tunnel is reached through another host.
        tierOf: (endpoint, kind) => {
          if (turn.peerAt(endpoint) !== undefined) return Tier.Turn;
          return addresses.isBehindTunnel(endpoint)
            ? Tier.Relayed
            : tiersOf(addresses.networks)(endpoint, kind);
        },
        destinations: this.#destinations,
        random: Math.random,
      });
    const peer: Peer = new Peer(shown, makeMachine, channel, {
      probe: (path) => this.probe(name, path),
      use: (path, isFresh) => void this.#use(name, path, isFresh),
      announce: () => void telling.tell(name),
      relay: (failed) => {
        if (!relaying.client.knowsRelays) this.#laziness?.seekRelay();
        relaying.client.want(name, failed);
        turn.want(name);
      },
      relayOf: (path) => relaying.client.relayOf(name, path),
      turnOf: (path) => {
        const endpoint = parseEndpoint(path);
        return endpoint && turn.peerAt(endpoint) === name ? turn.server : undefined;
      },
      changed: () => {
        if (peer.isAsleep) this.#leave(name);
        relaying.peerChanged(name);
        void this.#narrow(peer);
        this.#changed(peer);
      },
      woken: () => {
        // A peer that is wanted now need not wait for its turn.
        meeting.heard(name);
        lan?.changed();
        return this.#known(name, shown);
      },
    });
    peers.set(name, peer);
    prober.addPeer(key, pair, state.peers.get(name)?.boot);
    lan?.addPeer(name, pair, this.#ownKey, key);
    const remembered = state.peers.get(name);
    if (remembered !== undefined) {
      peer.take({ type: "nat", own: addresses.nat, peer: remembered.nat });
      relaying.client.offers(name, remembered.isRelay);
    }
    if (this.#laziness?.beginsAsleep(shown)) peer.sleep();
    else {
      const candidates = this.#known(name, shown);
      peer.take({ type: "candidates", candidates, isNews: false, wantsAnswer: false });
    }
  }

  /** The places where a peer may be, from memory and from the configuration. */
  #known(name: string, { endpoint }: DevicePeer): Candidate[] {
    const { state, device, addresses, getTime, placeOf } = this.#means;
    const known = state.candidatesOf(name, getTime());
    // A local port of an earlier run that was killed is not a place where a peer is.
    const shown = endpoint?.address === LOOPBACK ? device.foundEndpoint(name) : endpoint;
    for (const configured of [shown, placeOf(name)])
      if (configured !== undefined) known.push({ kind: "configured", endpoint: configured, ageS: 0 });
    return addresses.reachable(known);
  }

  #remove(name: string): void {
    const { peers, device, channels, prober, lan, relaying, onError } = this.#means;
    const peer = peers.get(name);
    peers.delete(name);
    prober.removePeer(name);
    lan?.removePeer(name);
    this.#leave(name);
    if (this.#overheads.delete(name)) void device.narrow(name, 0).catch(onError);
    relaying.peerChanged(name);
    peer?.close();
    channels.end(name);
    this.#met.delete(name);
    this.#means.onRemoved(name);
  }

  /** Relays and TURN servers need not carry the tunnel to a peer any more. */
  #leave(name: string): void {
    const { relaying, turn } = this.#means;
    relaying.client.forget(name);
    turn.forget(name);
  }

  #changed(peer: Peer): void {
    const { getTime, onChanged, onMet } = this.#means;
    const info = peer.info(getTime());
    const { publicKey, path } = info;
    if (path === undefined) this.#met.delete(publicKey);
    else if (!this.#met.has(publicKey)) {
      this.#met.add(publicKey);
      this.#means.meeting.heard(publicKey);
      onMet(publicKey);
    }
    onChanged(info);
  }

  /**
   * Whether an endpoint is a path to this peer: not through the tunnel, unless a relay provided it, and not a path to
   * another peer.
   */
  #isOutside(name: string, endpoint: Endpoint): boolean {
    const { relaying, turn, addresses } = this.#means;
    const owner = turn.peerAt(endpoint);
    if (owner !== undefined) return owner === name;
    const isRelayed = relaying.client.relayOf(name, formatEndpoint(endpoint)) !== undefined;
    return isRelayed || !addresses.isBehindTunnel(endpoint);
  }

  async #use(name: string, path: string, isFresh: boolean): Promise<void> {
    const { device, looks, onError } = this.#means;
    const endpoint = parseEndpoint(path);
    if (endpoint === undefined) return;
    try {
      const isWanted = (state: DeviceState): boolean => !isFresh || !this.#hasNewSession(name, state);
      await device.use(name, endpoint, { isFresh, isWanted });
    } catch (error) {
      onError(error);
    }
    looks.later();
  }

  /** Whether there was a handshake since the last look at WireGuard. Such a session must not be thrown away. */
  #hasNewSession(name: string, state: DeviceState): boolean {
    const { peers } = this.#means;
    const before = peers.get(name)?.lastHandshake;
    this.takeState(state);
    return peers.get(name)?.lastHandshake !== before;
  }

  /** Packets to a relayed peer also carry the overhead of the relay's tunnel, or of a TURN channel. */
  async #narrow({ publicKey, machine }: Peer): Promise<void> {
    const { path } = machine.snapshot(performance.now());
    const endpoint = path && parseEndpoint(path.name);
    if (endpoint === undefined || this.#isClosed) return;
    const overhead = overheadOn(path?.kind, endpoint);
    if (overhead === (this.#overheads.get(publicKey) ?? 0)) return;
    this.#overheads.set(publicKey, overhead);
    await this.#means.device.narrow(publicKey, overhead).catch(this.#means.onError);
  }
}

/** The bytes that a path adds around each of WireGuard's packets. */
function overheadOn(kind: PathKind | undefined, { family }: Endpoint): number {
  if (kind === "relay") return OVERHEAD[family];
  return kind === "turn" ? OVERHEAD_BYTES : 0;
}
