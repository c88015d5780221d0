import type { InterfaceAddress, NewPeer } from "./device/create.js";
import type { MemberPeer, Members } from "./device/members.js";
import { mergedPeers } from "./device/merged-peers.js";
import type { DeviceState } from "./device/state.js";
import { type Endpoint, formatEndpoint } from "./ip/endpoint.js";
import { parsePrefix } from "./ip/prefix.js";
import { linkLocalAddress } from "./overlay/link-local.js";
import { formatKey } from "./wireguard-key.js";

/** A session of WireGuard ends this long after its handshake (Reject-After-Time), in s. */
const SESSION_S = 180;

/** The peers and own addresses in the configuration, besides those of an interface that is made. */
export class ConfiguredPeers {
  readonly #peers: readonly MemberPeer[];
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #addresses: readonly InterfaceAddress[];

  /** @param before - the configuration until now, whose preshared keys may have to be removed */
  constructor(
    peers: readonly NewPeer[],
    addresses: readonly InterfaceAddress[] = [],
    before?: ConfiguredPeers,
  ) {
    this.#addresses = addresses;
    // Peers send facts to the link-local address.
    const reachable = peers.map((peer) => ({
      ...peer,
      allowedIps: [...peer.allowedIps, parsePrefix(linkLocalAddress(peer.publicKey)) ?? []].flat(),
    }));
    this.#peers = mergedPeers(reachable).peers.map(({ publicKey, allowedIps, endpoint, presharedKey }) => ({
      publicKey: formatKey(publicKey),
      allowedIps,
      routes: [],
      endpoint,
      // A key that the user has given to the peer by other means stays.
      presharedKey: presharedKey ?? (before?.hasPresharedKey(formatKey(publicKey)) ? "none" : undefined),
    }));
    this.#endpoints = new Map(
      this.#peers.flatMap(({ publicKey, endpoint }) =>
        endpoint === undefined ? [] : [[publicKey, endpoint]],
      ),
    );
  }

  /** Whether the configuration gives a peer a preshared key. */
  hasPresharedKey(publicKey: string): boolean {
    const peer = this.#peers.find((one) => one.publicKey === publicKey);
    return peer?.presharedKey !== undefined && peer.presharedKey !== "none";
  }

  get isEmpty(): boolean {
    return this.#peers.length === 0 && this.#addresses.length === 0;
  }

  /**
   * Adds these peers and addresses to the members of a network. A peer that is also a member stays as the network has it.
   * @param own - the own public key in base64: a file for all hosts names this host, too
   */
  with(members: Members, own: string): Members {
    const named = new Set([own, ...members.peers.map(({ publicKey }) => publicKey)]);
    return {
      addresses: [...members.addresses, ...this.#addresses],
      peers: [...members.peers, ...this.#peers.filter(({ publicKey }) => !named.has(publicKey))],
    };
  }

  /** The endpoint of a peer in the configuration. */
  endpointOf(publicKey: string): Endpoint | undefined {
    return this.#endpoints.get(publicKey);
  }

  /**
   * The peers of the interface that WireGuard should send to the endpoint of the configuration: WireGuard has no endpoint
   * for them; or their endpoint in the configuration has changed, and WireGuard has no session with them.
   * @param changed - the peers with another endpoint than before in the configuration
   * @param nowS - Unix seconds
   */
  lacking(
    { peers }: DeviceState,
    changed: ReadonlySet<string>,
    nowS: number,
  ): { readonly publicKey: string; readonly endpoint: Endpoint }[] {
    return peers.flatMap(({ publicKey, endpointText, lastHandshake = 0 }) => {
      const endpoint = this.#endpoints.get(publicKey);
      if (endpoint === undefined) return [];
      const isLost = changed.has(publicKey) && nowS - lastHandshake > SESSION_S;
      return endpointText === undefined || isLost ? [{ publicKey, endpoint }] : [];
    });
  }

  /** The peers whose endpoint is another one than in an earlier configuration. */
  changedSince(before: ConfiguredPeers): ReadonlySet<string> {
    const texts = (one: Endpoint | undefined): string => (one === undefined ? "" : formatEndpoint(one));
    return new Set(
      [...this.#endpoints.keys()].filter(
        (key) => texts(before.#endpoints.get(key)) !== texts(this.#endpoints.get(key)),
      ),
    );
  }
}
