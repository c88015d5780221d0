import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { contains } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";
import { ASK_GAP_MS, FAILED_MS, MAX_PLACES, NO_PATH_MS, PATIENCE_MS, REFUSED_MS } from "./limits.js";
import { encodeRelayMessage, type RelayMessage } from "./message.js";
import { rankRelays } from "./rank.js";
import { directPathOf, type RelayPeer, type Tell } from "./relay-peer.js";

/** What a user of relays needs. */
export interface RelayClientMeans {
  /** The own public key, in base64. */
  readonly own: () => string;
  readonly peers: ReadonlyMap<string, RelayPeer>;
  readonly tell: Tell;
  /** Whether the network lets a host relay. */
  readonly mayRelay: (publicKey: string) => boolean;
  /** Whether packets to an endpoint go through the tunnel. */
  readonly isBehindTunnel: (endpoint: Endpoint) => boolean;
}

/** A place at a relay for the way to one peer. */
interface Place {
  readonly relay: string;
  readonly id: bigint;
  readonly endpoint: Endpoint;
}

/** The relay that was last asked for a peer. */
interface Asked {
  readonly relay: string;
  readonly at: number;
  /** When the relay was first asked, without a path since then. */
  readonly since: number;
}

/**
 * Gets places at relays for peers without a direct path. Both sides ask the relays in the same order. A relay tells
 * both sides of a place that one of them has requested.
 */
export class RelayClient {
  readonly #means: RelayClientMeans;
  /** The peers that announce that they relay. */
  readonly #relays = new Set<string>();
  /** The peers for which a relay is wanted. */
  readonly #wanting = new Set<string>();
  readonly #asked = new Map<string, Asked>();
  /** When a relay may be asked for a peer again, by both names. */
  readonly #barred = new Map<string, number>();
  /** The places for each peer, the latest one last. */
  readonly #places = new Map<string, Place[]>();

  #isClosed = false;

  constructor(means: RelayClientMeans) {
    this.#means = means;
  }

  /** Must be called when a peer announces whether it relays. */
  offers(peer: string, isRelay: boolean): void {
    if (isRelay) this.#relays.add(peer);
    else this.#relays.delete(peer);
    if (isRelay) this.#askForAll();
  }

  /** Must be called when the network lets other hosts relay. Places at relays without permission are left. */
  changed(): void {
    this.#withdraw(({ relay }) => !this.#means.mayRelay(relay));
    this.#askForAll();
  }

  /** Whether any peer relays. */
  get knowsRelays(): boolean {
    return this.#relays.size > 0;
  }

  /**
   * Must be called when a path to a peer is wanted: none works, or the one in use is in doubt.
   * @param failed - a path that loses packets; its relay, if any, is not asked for a while
   */
  want(peer: string, failed?: string): void {
    if (this.#isClosed) return;
    const now = performance.now();
    const relay = failed === undefined ? undefined : this.relayOf(peer, failed);
    if (relay !== undefined) this.#bar(peer, relay, now + FAILED_MS);
    this.#wanting.add(peer);
    this.#ask(peer, now);
  }

  /** Must be called when a peer's path has changed. */
  peerChanged(name: string): void {
    const peer = this.#means.peers.get(name);
    const { state, path } = peer?.machine.snapshot(performance.now()) ?? {};
    // A relaying peer is better than a TURN server.
    if (path !== undefined && path.kind !== "turn") {
      this.#wanting.delete(name);
      this.#asked.delete(name);
    }
    if (!this.#relays.has(name)) return;
    if (state === "direct") this.#askForAll();
    // Otherwise the way to the relay itself would be relayed.
    else if (state === "relayed") this.#withdraw((place) => place.relay === name);
  }

  /** Must be called when a peer was removed. */
  forget(name: string): void {
    this.#relays.delete(name);
    this.#wanting.delete(name);
    this.#asked.delete(name);
    this.#places.delete(name);
    this.#withdraw((place) => place.relay === name);
    for (const key of this.#barred.keys()) if (key.split(" ").includes(name)) this.#barred.delete(key);
  }

  /** The relay at an endpoint that leads to a peer; undefined when no relay gave a place there. */
  relayOf(peer: string, endpoint: string): string | undefined {
    return this.#placeAt(peer, endpoint)?.relay;
  }

  /** A relay has a place. This host binds to the place, and then the path may be tried. */
  async allocated(
    relay: string,
    { peer, id, endpoint }: Extract<RelayMessage, { type: "allocated" }>,
  ): Promise<void> {
    const { peers, tell } = this.#means;
    if (this.#isClosed || !peers.has(peer) || peer === relay || !this.#isOf(relay, endpoint)) return;
    if (!this.#means.mayRelay(relay)) return;
    const places = (this.#places.get(peer) ?? []).filter((place) => place.relay !== relay);
    const path = formatEndpoint(endpoint);
    const before = this.#places.get(peer)?.find((place) => place.relay === relay);
    this.#places.set(peer, [...places.slice(1 - MAX_PLACES), { relay, id, endpoint }]);
    if (before !== undefined && formatEndpoint(before.endpoint) !== path)
      peers.get(peer)?.take({ type: "relay", path: formatEndpoint(before.endpoint), isOpen: false });
    const isBound = await tell(relay, path, encodeRelayMessage({ type: "bind", id }));
    if (isBound && this.#placeAt(peer, path)?.id === id)
      peers.get(peer)?.take({ type: "relay", path, isOpen: true });
  }

  refused(relay: string, { peer, reason }: Extract<RelayMessage, { type: "refused" }>): void {
    const now = performance.now();
    if (this.#asked.get(peer)?.relay !== relay) return;
    this.#bar(peer, relay, now + (reason === "no-path" ? NO_PATH_MS : REFUSED_MS));
    this.#asked.delete(peer);
    if (this.#wanting.has(peer)) this.#ask(peer, now);
  }

  released(relay: string, peer: string, id: bigint): void {
    this.#withdraw((place, of) => of === peer && place.relay === relay && place.id === id);
  }

  /** Gives up all places, and tells the relays. Resolves when they know, or cannot be told. */
  async close(): Promise<void> {
    const { peers, tell } = this.#means;
    this.#isClosed = true;
    const all = [...this.#places].flatMap(([peer, places]) => places.map((place) => ({ peer, ...place })));
    this.#places.clear();
    this.#wanting.clear();
    await Promise.all(
      all.map(async ({ relay, peer, id }) => {
        const path = directPathOf(peers.get(relay));
        if (path !== undefined) await tell(relay, path, encodeRelayMessage({ type: "released", peer, id }));
      }),
    );
  }

  #askForAll(): void {
    const now = performance.now();
    for (const peer of this.#wanting) this.#ask(peer, now);
  }

  #ask(peer: string, now: number): void {
    const { peers, tell } = this.#means;
    if (!peers.has(peer)) return;
    const last = this.#asked.get(peer);
    if (last !== undefined && now - last.since >= PATIENCE_MS) {
      this.#bar(peer, last.relay, now + FAILED_MS);
      this.#asked.delete(peer);
    } else if (last !== undefined && now - last.at < ASK_GAP_MS) return;
    const relay = this.#choose(peer, now);
    const path = directPathOf(peers.get(relay ?? ""));
    if (relay === undefined || path === undefined) return;
    const { since } = last?.relay === relay ? last : { since: now };
    this.#asked.set(peer, { relay, at: now, since });
    void tell(relay, path, encodeRelayMessage({ type: "request", peer }));
  }

  /** The relay of an existing place while it can be reached, otherwise the first relay in the pair's order. */
  #choose(peer: string, now: number): string | undefined {
    const { own, peers, mayRelay } = this.#means;
    const usable = [...this.#relays].filter(
      (relay) =>
        relay !== peer &&
        mayRelay(relay) &&
        directPathOf(peers.get(relay)) !== undefined &&
        (this.#barred.get(`${peer} ${relay}`) ?? 0) <= now,
    );
    const current = this.#places.get(peer)?.findLast(({ relay }) => usable.includes(relay));
    return current?.relay ?? rankRelays(own(), peer, usable)[0];
  }

  #bar(peer: string, relay: string, until: number): void {
    this.#barred.set(`${peer} ${relay}`, until);
  }

  #placeAt(peer: string, endpoint: string): Place | undefined {
    return this.#places.get(peer)?.find((place) => formatEndpoint(place.endpoint) === endpoint);
  }

  /**
   * Whether an endpoint belongs to the relay itself, in the tunnel. So nobody can make this host send anywhere else.
   */
  #isOf(relay: string, endpoint: Endpoint): boolean {
    const address = parseAddress(endpoint.address);
    const { allowedIps = [] } = this.#means.peers.get(relay) ?? {};
    if (address === undefined || !isReachable(address)) return false;
    return allowedIps.some((prefix) => contains(prefix, address)) && this.#means.isBehindTunnel(endpoint);
  }

  /** Removes the paths through these places. */
  #withdraw(isGone: (place: Place, peer: string) => boolean): void {
    for (const [peer, places] of this.#places) {
      const gone = places.filter((place) => isGone(place, peer));
      if (gone.length === 0) continue;
      this.#places.set(
        peer,
        places.filter((place) => !gone.includes(place)),
      );
      for (const { endpoint } of gone)
        this.#means.peers.get(peer)?.take({ type: "relay", path: formatEndpoint(endpoint), isOpen: false });
    }
  }
}
