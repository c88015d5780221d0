import type { Endpoint } from "../ip/endpoint.js";

/** All kinds, in the order of their numbers in messages. */
export const CANDIDATE_KINDS = ["host", "reflexive", "mapped", "configured", "relayed"] as const;

/**
 * How a host knows an address: its own address; seen by a STUN server or a peer; a port mapping of the router; from the
 * configuration; lent by a TURN server.
 */
export type CandidateKind = (typeof CANDIDATE_KINDS)[number];

/** A place where a host may be reached. */
export interface Candidate {
  readonly kind: CandidateKind;
  readonly endpoint: Endpoint;
  /** The age of this knowledge in seconds. The age is counted from the origin, and nobody on the way resets it. */
  readonly ageS: number;
}
