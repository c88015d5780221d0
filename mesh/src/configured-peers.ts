import type { NewPeer } from "./device/create.js";
import type { MemberPeer, Members } from "./device/members.js";
import type { DeviceState } from "./device/state.js";
import type { Endpoint } from "./ip/endpoint.js";
import { parsePrefix } from "./ip/prefix.js";
import { linkLocalAddress } from "./overlay/link-local.js";
import { formatKey } from "./wireguard-key.js";

/** The peers in the configuration, for an interface that exists already. */
export class ConfiguredPeers {
  readonly #peers: readonly MemberPeer[];
  readonly #endpoints: ReadonlyMap<string, Endpoint>;

  constructor(peers: readonly NewPeer[]) {
    this.#peers = peers.map(({ publicKey, allowedIps, endpoint }) => ({
      publicKey: formatKey(publicKey),
      // Peers send facts to this address.
      allowedIps: [...allowedIps, parsePrefix(linkLocalAddress(publicKey)) ?? []].flat(),
      routes: [],
      endpoint,
    }));
    this.#endpoints = new Map(
      this.#peers.flatMap(({ publicKey, endpoint }) =>
        endpoint === undefined ? [] : [[publicKey, endpoint]],
      ),
    );
  }

  get isEmpty(): boolean {
    return this.#peers.length === 0;
  }

  /**
   * Adds these peers to the members of a network. A peer that is also a member stays as the network has it.
   * @param own - the own public key in base64: a file for all hosts names this host, too
   */
  with(members: Members, own: string): Members {
    const named = new Set([own, ...members.peers.map(({ publicKey }) => publicKey)]);
    return {
      ...members,
      peers: [...members.peers, ...this.#peers.filter(({ publicKey }) => !named.has(publicKey))],
    };
  }

  /** The endpoint of a peer in the configuration. */
  endpointOf(publicKey: string): Endpoint | undefined {
    return this.#endpoints.get(publicKey);
  }

  /** The peers of the interface for which only the configuration has an endpoint, and WireGuard has none. */
  lacking({ peers }: DeviceState): { readonly publicKey: string; readonly endpoint: Endpoint }[] {
    return peers.flatMap(({ publicKey, endpointText }) => {
      const endpoint = this.#endpoints.get(publicKey);
      return endpoint === undefined || endpointText !== undefined ? [] : [{ publicKey, endpoint }];
    });
  }
}
