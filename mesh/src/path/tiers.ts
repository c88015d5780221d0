import type { CandidateKind } from "../candidates/candidate.js";
import type { PathKind } from "../info.js";
import { parseAddress } from "../ip/address.js";
import type { Endpoint } from "../ip/endpoint.js";
import { contains, type Prefix } from "../ip/prefix.js";

/** How good a path is by its kind alone. The lower tier wins, whatever the round trips are. */
export const Tier = {
  /** Within a network that both hosts are in. */
  Lan: 0,
  /** Nothing on the way forgets the path: IPv6, an address of the host itself, a mapped or configured port. */
  Lasting: 1,
  /** Through a hole in a NAT, which closes without traffic. */
  Reflexive: 2,
  /** Through a peer that relays. */
  Relayed: 3,
  /** Through a TURN server, which belongs to somebody else and costs money. */
  Turn: 4,
} as const;

/** The values of {@link Tier}. */
export type Tier = (typeof Tier)[keyof typeof Tier];

/** The tier of a remote endpoint. `kind` is undefined for an endpoint that was seen but not announced. */
export type TierOf = (endpoint: Endpoint, kind: CandidateKind | undefined) => Tier;

/**
 * The tiers for a host in these networks. A private address in the range of an own network may belong to another
 * network with the same range. Then no probe is answered there, and nothing is lost.
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

/** The kind of a path, for people. */
export function kindOf(tier: Tier, { family }: Endpoint): PathKind {
  if (tier === Tier.Lan) return "lan";
  if (tier === Tier.Relayed) return "relay";
  if (tier === Tier.Turn) return "turn";
  return family === 6 ? "ipv6" : "nat";
}
