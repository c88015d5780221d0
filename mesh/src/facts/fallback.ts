import { contains, formatPrefix, type Prefix } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";
import { FALLBACK } from "./constants.js";
import { routedBy } from "./trust.js";

/** What is known of a peer. */
export interface FallbackPeer {
  /** The peer's public key, in base64. */
  readonly publicKey: string;
  /** All allowed IPs that the peer owns. */
  readonly allowedIps: readonly Prefix[];
  /** The allowed IPs that the peer lacks now. */
  readonly withheld?: readonly Prefix[] | undefined;
}

/** The withheld allowed IPs, by public key in base64. */
export type Fallen = ReadonlyMap<string, readonly Prefix[]>;

/**
 * Decides which addresses of peers are left to a router: those of an unreachable peer, if a router has a prefix around
 * them. WireGuard uses the longest prefix, so the router gets these addresses as soon as the peer loses them. The class
 * does nothing by itself: facts and times go in. All times are monotonic milliseconds.
 */
export class Fallback {
  readonly #startedAt: number;
  readonly #guardMs: number;
  /** Since when each peer is unreachable. */
  readonly #unhealthySince = new Map<string, number>();

  /** @param guardMs - how long after a start nothing is taken from a peer */
  constructor(now: number, guardMs: number = FALLBACK.guardMs) {
    this.#startedAt = now;
    this.#guardMs = guardMs;
  }

  /**
   * @param isHealthy - whether a peer can be reached; only called if there is a router
   * @returns the allowed IPs to withhold from each peer
   */
  decide(peers: readonly FallbackPeer[], isHealthy: (publicKey: string) => boolean, now: number): Fallen {
    const routers = peers.filter(({ allowedIps }) => routedBy(allowedIps).length > 0);
    const fallen = new Map<string, readonly Prefix[]>();
    if (routers.length === 0) {
      this.#unhealthySince.clear();
      return fallen;
    }
    const known = new Set(peers.map(({ publicKey }) => publicKey));
    for (const name of this.#unhealthySince.keys()) if (!known.has(name)) this.#unhealthySince.delete(name);
    const prefixesOf = (some: typeof routers): Prefix[] =>
      some.flatMap(({ allowedIps }) => routedBy(allowedIps));
    const all = prefixesOf(routers);
    const usable = prefixesOf(routers.filter(({ publicKey }) => isHealthy(publicKey)));
    for (const peer of peers) {
      if (routers.includes(peer)) continue;
      const taken = this.#takenOf(peer, { all, usable, isHealthy: isHealthy(peer.publicKey) }, now);
      if (taken.length > 0) fallen.set(peer.publicKey, taken);
    }
    return fallen;
  }

  #takenOf(
    { publicKey, allowedIps, withheld = [] }: FallbackPeer,
    routed: {
      readonly all: readonly Prefix[];
      readonly usable: readonly Prefix[];
      readonly isHealthy: boolean;
    },
    now: number,
  ): Prefix[] {
    if (routed.isHealthy) {
      this.#unhealthySince.delete(publicKey);
      return [];
    }
    const since = this.#unhealthySince.get(publicKey) ?? now;
    this.#unhealthySince.set(publicKey, since);
    const isDue = now - since >= FALLBACK.patienceMs && now - this.#startedAt > this.#guardMs;
    const before = new Set(withheld.map(formatPrefix));
    // Withheld addresses stay withheld while the router itself is unreachable. Otherwise both would change together.
    return allowedIps.filter((ip) => {
      const prefixes = before.has(formatPrefix(ip)) ? routed.all : isDue ? routed.usable : [];
      return isReachable(ip.address) && prefixes.some((prefix) => contains(prefix, ip.address));
    });
  }
}
