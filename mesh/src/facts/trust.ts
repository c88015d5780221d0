import type { Prefix } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";
import type { Fact } from "./fact.js";

/** What a peer is believed about others. Each level includes the levels before it (wirelink's levels). */
export const TRUST_LEVELS = ["Untrusted", "Endpoint", "AllowedIPs", "Membership", "DelegateTrust"] as const;

/**
 * What a peer is believed about others: nothing; where they are; which addresses they have; who they are; whom to
 * believe.
 */
export type TrustLevel = (typeof TRUST_LEVELS)[number];

/** What is known of a peer. */
export interface KnownPeer {
  readonly allowedIps: readonly Prefix[];
  /** The level in the configuration. */
  readonly trust?: TrustLevel | undefined;
  /** Whether this host and the peer are members of the same network. */
  readonly isMember: boolean;
  /** Whether this host tells all its peers where the other peers are. Default: no. */
  readonly isChatty?: boolean | undefined;
}

/** The standing of a peer with this host. */
export interface Standing {
  readonly level: TrustLevel;
  /** Whether the peer is told where this host is, and not only that it is there. */
  readonly isTold: boolean;
  /** Whether the peer is told about every other peer that has told this host its places. */
  readonly isTrusted: boolean;
  /** Whether the peer is told about the other members, and they about the peer. */
  readonly isMember: boolean;
}

/**
 * The standing of a peer. The first rule that applies counts: the level in the configuration; a router is believed like
 * the operator of the network; any other peer is believed where others are.
 */
export function standingOf({ allowedIps, trust, isMember, isChatty = false }: KnownPeer): Standing {
  const isRouting = isRouter(allowedIps);
  const level = trust ?? (isRouting ? "Membership" : "Endpoint");
  const isTrusted = trust === undefined ? isRouting || isChatty : trust !== "Untrusted";
  const isToldAsMember = isMember && trust !== "Untrusted";
  return { level, isTold: isTrusted || isToldAsMember, isTrusted, isMember: isToldAsMember };
}

/** Whether a peer is a router: it has an allowed IP that is wider than a host and is not link-local. */
export function isRouter(allowedIps: readonly Prefix[]): boolean {
  return routedBy(allowedIps).length > 0;
}

/**
 * The prefixes that a router leads to: allowed IPs that are wider than a host. A peer for all addresses is an exit, not
 * a router.
 */
export function routedBy(allowedIps: readonly Prefix[]): Prefix[] {
  return allowedIps.filter(({ address, bits }) => bits < address.length * 8 && isReachable(address));
}

/**
 * Whether a fact is believed.
 * @param level - the sender's level
 * @param isKnown - whether the subject is a peer of this host
 */
export function isBelieved(fact: Fact, sender: string, level: TrustLevel, isKnown: boolean): boolean {
  // A host is always believed about itself. Only the host itself may say that it is there and what it knows.
  if (fact.subject === sender || fact.attribute !== "candidate") return fact.subject === sender;
  return reaches(level, isKnown ? "Endpoint" : "Membership");
}

function reaches(level: TrustLevel, wanted: TrustLevel): boolean {
  return TRUST_LEVELS.indexOf(level) >= TRUST_LEVELS.indexOf(wanted);
}
