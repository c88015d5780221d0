/**
 * All numbers about facts, with their units. Those marked "wirelink" are wirelink's defaults. Those without a source
 * are this package's own choice.
 */

/** How long a fact is valid if it is not repeated, in s (wirelink). */
export const FACT_TTL_S = 255;
/** The longest validity that a sender may give, in s: 16 bits (wirelink). */
export const MAX_TTL_S = 0xffff;
/**
 * A fact is repeated if the other side will forget it within this time, in ms: half of {@link FACT_TTL_S}, and 5 s
 * (wirelink).
 */
export const RENEW_MS: number = (FACT_TTL_S / 2 + 5) * 1000;
/** A fact of another host is only repeated if that extends its validity at the other side by this time, in ms. */
export const GAIN_MS = 30_000;
/** How often to check whether there is something to say, in ms (wirelink). */
export const LOOK_MS = 5_000;
/** The maximum age of a candidate that is passed on, in s. The field for the age has room for this. */
export const MAX_AGE_S = 0xffff;

/** The maximum length of a datagram of facts in bytes (wirelink). With IPv6 and UDP it fits an MTU of 1280. */
export const CHUNK_BYTES = 1212;

/** The maximum number of candidates that are kept of one sender for one subject. */
export const CANDIDATES_PER_SUBJECT = 32;
/** The maximum number of facts that are kept of one sender, including the sender's own. */
export const FACTS_PER_SENDER = 256;
/** The part of these facts that is reserved for what a sender says about itself. */
export const OWN_FACTS = 32;
/** The maximum number of datagrams that are read of one sender in a minute. As many may come at once. */
export const MESSAGES_PER_MINUTE = 20;
/**
 * The maximum number of datagrams that are sent to one peer in a minute. The number is lower than what the peer
 * accepts, so that delays on the way do not matter.
 */
export const SENT_PER_MINUTE = 16;

/** When the addresses of an unreachable peer are left to a router, in ms. */
export const FALLBACK = {
  /**
   * Nothing is taken from a peer before this time after a start, because old sessions may go on (wirelink: the TTL of a
   * fact).
   */
  guardMs: 255_000,
  /** A peer must be unreachable for this time. So a peer that changes from one path to another keeps its addresses. */
  patienceMs: 5_000,
  /** A session without a new handshake for this time counts as ended (wirelink). */
  handshakeMs: 165_300,
} as const;

/** The maximum number of peers that are asked about others at the same time. */
export const MAX_ASKED = 8;
/** How long a peer is asked before the next peer's turn, if there are more peers, in ms. */
export const ASK_TURN_MS = 30_000;
/** When the same peers were sought in vain for this time, only one peer at a time is asked, in ms … */
export const REST_AFTER_MS = 600_000;
/** … each for this time, in ms: long enough to hear once everything that the peer knows. */
export const REST_TURN_MS: number = FACT_TTL_S * 1000;
/** The number of candidates of other hosts that one peer may have this host probe: per second, and at once. */
export const INTRODUCED = { perSecond: 4, burst: 64 } as const;

/**
 * The UDP port of facts, at the link-local addresses of the overlay. wirelink uses the port after WireGuard's own port,
 * but behind a NAT nobody knows that port of other hosts. Only this package uses these addresses, so the port is free.
 */
export const FACTS_PORT = 21842;
