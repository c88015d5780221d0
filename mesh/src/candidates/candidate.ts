import type { Endpoint } from "../ip/endpoint.js";

/** All kinds, in the order of their numbers in messages. */
export const CANDIDATE_KINDS = ["host", "reflexive", "mapped", "configured", "relayed"] as const;

/**
 * How a host knows that it may be reached somewhere: an address of its own; what a STUN server or a peer saw; a port
 * mapping of the router; its configuration; an address that a TURN server lends it.
 */
export type CandidateKind = (typeof CANDIDATE_KINDS)[number];

/** Where a host may be reached. */
export interface Candidate {
  readonly kind: CandidateKind;
  readonly endpoint: Endpoint;
  /** When it was last known to be true: how long ago, seconds, counted at its origin and never refreshed on the way. */
  readonly ageS: number;
}
