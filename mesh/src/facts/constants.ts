/**
 * Every figure of facts, with its unit. Those of wirelink are its own defaults; where there is no source, it is our own
 * choice.
 */

/** How long a fact is good that nobody says again, s (wirelink). */
export const FACT_TTL_S = 255;
/** The longest that a sender may name, s: 16 bits (wirelink). */
export const MAX_TTL_S = 0xffff;
/** What the other side forgets within this time is said again, ms: half of {@link FACT_TTL_S}, and 5 s (wirelink). */
export const RENEW_MS: number = (FACT_TTL_S / 2 + 5) * 1000;
/** What was passed on is said again only when the other side will know it for so much longer, ms. */
export const GAIN_MS = 30_000;
/** How often is looked whether there is something to say, ms (wirelink). */
export const LOOK_MS = 5_000;
/** The oldest that a candidate is passed on, s: what its age has room for. */
export const MAX_AGE_S = 0xffff;

/** A datagram of facts, bytes at most (wirelink): in IPv6 and UDP it fits an MTU of 1280. */
export const CHUNK_BYTES = 1212;

/** What is kept of one sender: candidates of one subject, and facts in all. */
export const CANDIDATES_PER_SUBJECT = 32;
/** As {@link CANDIDATES_PER_SUBJECT}: facts in all, the sender's own included. */
export const FACTS_PER_SENDER = 256;
/** Of them, those that are left for what a sender says of itself. */
export const OWN_FACTS = 32;
/** Datagrams of one sender that are looked at: so many at once, and in a minute. */
export const MESSAGES_PER_MINUTE = 20;
/** Datagrams that one peer is sent, at once and in a minute: fewer than it takes, whatever happens to their times. */
export const SENT_PER_MINUTE = 16;

/** When the addresses of a peer that cannot be reached are left to a router, ms. */
export const FALLBACK = {
  /** After a start nothing is taken before: sessions from before it may go on (wirelink: the TTL of a fact). */
  guardMs: 255_000,
  /** A peer cannot be reached for so long: one that is on its way from one path to another is let be. */
  patienceMs: 5_000,
  /** A session is as good as over that was not renewed for so long (wirelink). */
  handshakeMs: 165_300,
} as const;

/** Peers that are asked at once what they know of others. */
export const MAX_ASKED = 8;
/** How long one is asked before it is another one's turn, where there are more, ms. */
export const ASK_TURN_MS = 30_000;
/** The same ones were sought for so long in vain: then one peer at a time is asked, ms … */
export const REST_AFTER_MS = 600_000;
/** … each for so long, ms: that is once all that it knows. */
export const REST_TURN_MS: number = FACT_TTL_S * 1000;
/** Candidates of others that one peer may have us probe: a second, and at once. */
export const INTRODUCED = { perSecond: 4, burst: 64 } as const;

/**
 * The UDP port of facts, at the link-local addresses of the overlay. wirelink takes the one after WireGuard's own; but
 * behind a NAT nobody knows that of others. Nobody else has these addresses, so it is free.
 */
export const FACTS_PORT = 21842;
