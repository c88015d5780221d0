import type { NewPeer } from "./device/create.js";
import type { MemberPeer, Members } from "./device/members.js";
import type { DeviceState } from "./device/state.js";
import type { Endpoint } from "./ip/endpoint.js";
import { parsePrefix } from "./ip/prefix.js";
import { linkLocalAddress } from "./overlay/link-local.js";
import { formatKey } from "./wireguard-key.js";

/** Peers that the configuration names, for an interface that is there. */
export class ConfiguredPeers {
  readonly #peers: readonly MemberPeer[];
  readonly #endpoints: ReadonlyMap<string, Endpoint>;

  constructor(peers: readonly NewPeer[]) {
    this.#peers = peers.map(({ publicKey, allowedIps, endpoint }) => ({
      publicKey: formatKey(publicKey),
      // What peers tell each other goes to that address.
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
   * The members of a network, and these besides. Who is both is a member.
   * @param own - the own public key, base64: one file may be for all hosts, and name this one, too
   */
  with(members: Members, own: string): Members {
    const named = new Set([own, ...members.peers.map(({ publicKey }) => publicKey)]);
    return {
      ...members,
      peers: [...members.peers, ...this.#peers.filter(({ publicKey }) => !named.has(publicKey))],
    };
  }

  /** Where a peer may be, by the configuration. */
  endpointOf(publicKey: string): Endpoint | undefined {
    return this.#endpoints.get(publicKey);
  }

  /** Peers of the interface for which WireGuard has no endpoint, and the configuration has one. */
  lacking({ peers }: DeviceState): { readonly publicKey: string; readonly endpoint: Endpoint }[] {
    return peers.flatMap(({ publicKey, endpointText }) => {
      const endpoint = this.#endpoints.get(publicKey);
      return endpoint === undefined || endpointText !== undefined ? [] : [{ publicKey, endpoint }];
    });
  }
}
