/**
 * Every figure of the path machine, with its unit. What is said to be a consensus was compared over Tailscale, iroh,
 * NetBird, firezone, Nebula and libtelio.
 */

/**
 * The gaps between the probes of a burst, ms: noq's ladder, from a tenth of a first guess of the round trip, doubled.
 * Nine probes in 4 s outlast the other side's NAT, which may open later than ours.
 */
export const BURST_GAPS_MS: readonly number[] = [33, 66, 132, 264, 528, 1000, 1000, 1000];
/** Probes of a burst to each candidate. */
export const BURST_PROBES: number = BURST_GAPS_MS.length + 1;
/** Probes to each candidate when a better path is sought beside one that works, or when that one is in doubt. */
export const SEEK_PROBES = 5;
/** Probes back that one burst allows, for probes that come in on a path that is not proven. */
export const TRIGGERED_PROBES: number = BURST_PROBES;
/** Between two probes on one path, at the least, ms. */
export const PROBE_GAP_MS = 15;

/** Rounds of bursts while no path works, ms from one to the next; the last one for ever (consensus: capped at 60 s). */
export const ROUNDS_MS: readonly number[] = [5_000, 10_000, 20_000, 40_000, 60_000];
/** As {@link ROUNDS_MS}, after {@link BLOCKED_ROUNDS} rounds while UDP is blocked, ms. */
export const BLOCKED_ROUND_MS = 300_000;
/** Rounds without an answer before blocked UDP is taken for a lasting thing. */
export const BLOCKED_ROUNDS = 3;
/** Announces while no path works, ms from one to the next; then {@link ANNOUNCE_LATER_MS} (design, section 5). */
export const ANNOUNCES_MS: readonly number[] = [5_000, 10_000, 20_000, 40_000, 60_000];
/** As {@link ANNOUNCES_MS}, when all of those are over, ms. */
export const ANNOUNCE_LATER_MS = 300_000;
/**
 * Announces at once that the peer or the path may cause: a peer that says something new all the time cannot make us talk.
 */
export const ANNOUNCE_BURST = 6;
/** How fast {@link ANNOUNCE_BURST} grows again, announces a second. */
export const ANNOUNCE_PER_SECOND: number = 1 / 30;
/**
 * Announces at once of what is new about this host: it has moved, a STUN server sees another address, a router has mapped
 * a port. One move makes three or four of them.
 */
export const NEWS_BURST = 10;
/**
 * How fast {@link NEWS_BURST} grows again, announces a second. Both kinds together stay below what a peer looks at: 20 at
 * once, and 20 a minute.
 */
export const NEWS_PER_SECOND: number = 1 / 5;
/** An interval is shortened by up to this share, so that peers do not do everything at the same time. */
export const JITTER = 0.1;

/**
 * Between probes of the path in use while data flows, ms (Tailscale: 3 s; iroh, Nebula: 5 s). With {@link GIVE_WAY_MS} a
 * path that died gives way to a relay within 5 s.
 */
export const ACTIVE_PROBE_MS = 2_000;
/**
 * Between probes of the path in use while nothing flows, ms. The consensus is 25 s, like WireGuard's own keepalive; but
 * there are NATs that forget after 20 s, and a keepalive that comes too late finds the other side's closed. With
 * {@link GIVE_WAY_MS} a path that died gives way within 15 s.
 */
export const IDLE_PROBE_MS = 10_000;
/** Between probes of the path in use when the last one is unanswered, ms. */
export const DOUBT_PROBE_MS = 500;
/** Data that flowed this long ago still counts as activity, ms. */
export const ACTIVE_FOR_MS = 15_000;
/** Bytes, sent and received together, that are more than handshake and keepalives between two looks at WireGuard. */
export const ACTIVE_BYTES = 400;

/** Between two times that all others are probed because the path in use is in doubt, ms. */
export const DOUBT_GAP_MS = 5_000;

/** A probe is unanswered after this many smoothed round trips … */
export const TIMEOUT_ROUND_TRIPS = 3;
/** … within these bounds, ms. */
export const TIMEOUT_MIN_MS = 250;
/** As {@link TIMEOUT_MIN_MS}. Also where the round trip is not known. */
export const TIMEOUT_MAX_MS = 1_000;
/** A path is silent when so many probes in a row are unanswered (libtelio, consensus). */
export const SILENT_PROBES = 3;
/**
 * How long the path in use is silent before it is dropped, ms from its first unanswered probe. With
 * {@link ACTIVE_PROBE_MS} that is 7 s after the last answer, within the 15 s of the consensus.
 */
export const SILENT_MS = 5_000;
/** How long it is silent before it gives way to a path that was answered meanwhile, ms from its first unanswered probe. */
export const GIVE_WAY_MS = 2_000;
/** What WireGuard received is noticed so much later, ms: how often its state is looked at. */
export const WATCH_LAG_MS = 5_000;
/**
 * What WireGuard received while probes are unanswered keeps the path so long, ms: as a session lasts. An idle tunnel may
 * receive a handshake each two minutes and nothing else, since what one side's keepalive brings silences the other's.
 */
export const RECEIVED_HOLD_MS = 180_000;
/** WireGuard received nothing for so long although data flows: its passive keepalive of 10 s, and 5 s, ms. */
export const QUIET_ACTIVE_MS = 15_000;
/** A proof is believed so long, ms: three of {@link IDLE_PROBE_MS}. */
export const PROOF_MS = 30_000;
/** What the peer said of a path is believed so long, ms. */
export const VIEW_MS = 30_000;

/** Between searches for a better path while a direct one works, ms (consensus); a relayed one: {@link ROUNDS_MS}. */
export const SEEK_MS = 60_000;
/** A path with at most this round trip is good enough, ms (Tailscale). */
export const GOOD_ROUND_TRIP_MS = 5;
/** A path of the same tier must take at most this share of the round trip (firezone: 20 % better) … */
export const BETTER_SHARE = 0.8;
/** … and be faster by so many ms (iroh). */
export const BETTER_MS = 5;
/** Round trips that a path of the same tier must have been measured over. */
export const BETTER_SAMPLES = 3;
/** Between two changes that nothing forces, ms; and before a path that was dropped is taken again, doubled each time. */
export const DWELL_MS = 30_000;
/** The longest that a path which was dropped again and again has to wait, ms. */
export const DWELL_MAX_MS = 480_000;
/** A path that was in use so long has made up for what it did before, ms. */
export const FORGIVE_MS = 300_000;
/** The follower waits so long for the decider's word before it takes a path by itself, ms. */
export const FOLLOWER_PATIENCE_MS = 1_000;
/** The follower follows at most so often, ms: a decider that says another path in each probe is not obeyed in each. */
export const FOLLOW_GAP_MS = 1_000;
/** The weight of a new round trip in the smoothed one. */
export const ROUND_TRIP_WEIGHT = 0.25;

/** After this much time a session of WireGuard is over, ms (its REJECT_AFTER_TIME). */
export const SESSION_MS = 180_000;
/**
 * WireGuard itself did not renew a session for so long, ms: {@link SESSION_MS}, a keepalive that would have made it do
 * so, and two tries. Before, our handshake might cross its own.
 */
export const SESSION_LOST_MS = 215_000;
/** A peer that is to be made anew has been so after this long, ms. */
export const RENEWAL_MS = 2_000;
/** Data must have come out of WireGuard so long after a switch, ms: within the 15 s that are wanted, with a late look. */
export const EVIDENCE_MS = 12_000;
/** What comes so soon after a switch while data flows may have left by the old path, ms. */
export const SWITCH_SETTLE_MS = 500;
/** As {@link EVIDENCE_MS}, for a path that failed before: trying it again is not to cost much, ms. */
export const EVIDENCE_AGAIN_MS = 4_000;
/** A path that carries probes but not WireGuard's data is not taken for this long, ms, doubled each time. */
export const PENALTY_MS = 60_000;
/** … up to this, ms. */
export const PENALTY_MAX_MS = 3_600_000;
/** No handshake so long after a switch: the other side is asked for it, ms. */
export const ASK_WITHOUT_SESSION_MS = 1_000;
/** There is a session, but nothing came out of it so long after a switch: the other side is asked to send, ms. */
export const ASK_WITH_SESSION_MS = 3_000;
/** Between probes that ask, ms. */
export const ASK_PROBE_MS = 2_000;
/** Between handshakes that are started for the peer or again, ms (WireGuard's REKEY_TIMEOUT), doubled each time … */
export const HANDSHAKE_GAP_MS = 5_000;
/** … up to this, ms. */
export const HANDSHAKE_GAP_MAX_MS = 60_000;
/** An asking peer that asked before within this time was not helped by a keepalive, ms. */
export const ASKED_AGAIN_MS = 20_000;

/** So long after a switch WireGuard may still be led back by late packets of the old path, ms (Nebula: 2 s). */
export const ROAM_SETTLE_MS = 2_000;
/** Both paths have so long to answer before it is decided where WireGuard should be, ms. */
export const ROAM_PATIENCE_MS = 1_500;
/** Between corrections, ms; doubled each time. */
export const CORRECTION_GAP_MS = 2_000;
/** Corrections in vain before a proven path on which the peer insists is accepted. */
export const CORRECTIONS = 3;

/** A direct path has so long to come to be before a relay is sought, ms; none where both NATs are symmetric. */
export const RELAY_GRACE_MS = 1_000;
/** Between two searches for a relay while none was found, ms, doubled each time … */
export const RELAY_WISH_GAP_MS = 1_000;
/** … up to this, ms. */
export const RELAY_WISH_GAP_MAX_MS = 30_000;

/** Candidates of a peer, at most. */
export const REMOTE_CANDIDATES = 32;
/** Candidates of one address, at most (Tailscale). */
export const CANDIDATES_PER_ADDRESS = 6;
/** Candidates that others named, or that the peer names no more, beside which others may name further ones: fewer. */
export const INTRODUCED_PATHS = 8;
/** A candidate that others named is kept so long, ms: two rounds of probes at the slowest pace, both sides' together. */
export const INTRODUCED_MS = 120_000;
/** Addresses that are known only because probes came from them, at most. */
export const SEEN_PATHS = 8;
/** A candidate that is announced no more is kept so long, ms: NAT mappings alternate (Tailscale). */
export const VANISHED_MS = 310_000;
/** A path known only by a probe from it is forgotten so long after the last one, ms (Tailscale: 45 s). */
export const SEEN_MS = 45_000;

/** Probes to one address, a second, and at once. */
export const DESTINATION_PER_SECOND = 16;
/** Probes to all candidates of one peer, a second: what a peer that lies about them can make us send. */
export const PEER_PER_SECOND = 32;
/** Probes to all candidates of one peer at once: a first burst to ten of them. */
export const PEER_BURST = 64;

/** Between two steps that a machine asks for, at the least, ms. */
export const STEP_GAP_MS = 5;
/** … and at the most, ms. */
export const STEP_MAX_MS = 60_000;
