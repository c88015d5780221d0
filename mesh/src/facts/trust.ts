import type { Prefix } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";
import type { Fact } from "./fact.js";

/** What a peer is believed when it speaks of others: each level includes those before it (wirelink's own). */
export const TRUST_LEVELS = ["Untrusted", "Endpoint", "AllowedIPs", "Membership", "DelegateTrust"] as const;

/**
 * What a peer is believed when it speaks of others: nothing; where they are; which addresses they have; who they are;
 * whom to believe.
 */
export type TrustLevel = (typeof TRUST_LEVELS)[number];

/** What is known of a peer here. */
export interface KnownPeer {
  readonly allowedIps: readonly Prefix[];
  /** What the configuration says. */
  readonly trust?: TrustLevel | undefined;
  /** This host and the peer are members of one network. */
  readonly isMember: boolean;
}

/** How a peer stands with this host. */
export interface Standing {
  readonly level: TrustLevel;
  /** It is told more than that this host is there: where it is. */
  readonly isTold: boolean;
  /** It is told of every other peer that has itself told this host where it is. */
  readonly isTrusted: boolean;
  /** It is told of the other members, and they of it. */
  readonly isMember: boolean;
}

/**
 * How a peer stands with this host. The first opinion counts: what the configuration says; a router is believed as
 * whoever runs the network; any other peer is believed where others are.
 */
export function standingOf({ allowedIps, trust, isMember }: KnownPeer): Standing {
  const isRouting = isRouter(allowedIps);
  const level = trust ?? (isRouting ? "Membership" : "Endpoint");
  const isTrusted = trust === undefined ? isRouting : trust !== "Untrusted";
  const isToldAsMember = isMember && trust !== "Untrusted";
  return { level, isTold: isTrusted || isToldAsMember, isTrusted, isMember: isToldAsMember };
}

/** A peer that has an allowed IP wider than a host: a range of addresses of its own, which is no link-local one. */
export function isRouter(allowedIps: readonly Prefix[]): boolean {
  return routedBy(allowedIps).length > 0;
}

/** What a router leads to: its allowed IPs that are wider than a host. One that takes everything is an exit, not a router. */
export function routedBy(allowedIps: readonly Prefix[]): Prefix[] {
  return allowedIps.filter(({ address, bits }) => bits < address.length * 8 && isReachable(address));
}

/**
 * Whether a fact is believed.
 * @param level - of the sender
 * @param isKnown - whether the subject is a peer of this host
 */
export function isBelieved(fact: Fact, sender: string, level: TrustLevel, isKnown: boolean): boolean {
  // A host speaks for itself. That it is there, and what it knows, nobody else says.
  if (fact.subject === sender || fact.attribute !== "candidate") return fact.subject === sender;
  return reaches(level, isKnown ? "Endpoint" : "Membership");
}

function reaches(level: TrustLevel, wanted: TrustLevel): boolean {
  return TRUST_LEVELS.indexOf(level) >= TRUST_LEVELS.indexOf(wanted);
}
