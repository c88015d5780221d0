import type { CandidateKind } from "../candidates/candidate.js";
import type { PathKind } from "../info.js";
import { parseAddress } from "../ip/address.js";
import type { Endpoint } from "../ip/endpoint.js";
import { contains, type Prefix } from "../ip/prefix.js";

/** How good a path is by its kind alone: the lower tier wins, whatever the round trips are. */
export const Tier = {
  /** Within a network that both are in. */
  Lan: 0,
  /** Nothing that forgets is in between: IPv6, an address of the host's own, a mapped or configured port. */
  Lasting: 1,
  /** Through a hole in a NAT, which closes when nothing passes. */
  Reflexive: 2,
  /** Through a peer that relays. */
  Relayed: 3,
  /** Through a TURN server: somebody else's host, which somebody pays for. */
  Turn: 4,
} as const;

/** As the constants of the same name. */
export type Tier = (typeof Tier)[keyof typeof Tier];

/** How good a remote endpoint is; `kind` is undefined for one that was seen, but not announced. */
export type TierOf = (endpoint: Endpoint, kind: CandidateKind | undefined) => Tier;

/**
 * The tiers as a host in these networks sees them. A private address in the range of an own network may be in another
 * network of the same range: then no probe is answered there, and nothing is lost.
 */
export function tiersOf(localPrefixes: readonly Prefix[]): TierOf {
  return (endpoint, kind) => {
    if (kind === "relayed") return Tier.Turn;
    const address = parseAddress(endpoint.address);
    if (address !== undefined && localPrefixes.some((prefix) => contains(prefix, address))) return Tier.Lan;
    if (endpoint.family === 6) return Tier.Lasting;
    return kind === undefined || kind === "reflexive" ? Tier.Reflexive : Tier.Lasting;
  };
}

/** Whether a path goes through another host. */
export function isRelayed(tier: Tier): boolean {
  return tier >= Tier.Relayed;
}

/** What people are told of a path. */
export function kindOf(tier: Tier, { family }: Endpoint): PathKind {
  if (tier === Tier.Lan) return "lan";
  if (tier === Tier.Relayed) return "relay";
  if (tier === Tier.Turn) return "turn";
  return family === 6 ? "ipv6" : "nat";
}
