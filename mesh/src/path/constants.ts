/**
 * All numbers of the path machine, with their units. "Consensus" means a comparison of Tailscale, iroh, NetBird,
 * firezone, Nebula and libtelio.
 */

/**
 * The gaps between the probes of a burst, in ms: noq's ladder, which starts with a tenth of a guessed round trip and
 * doubles it. Nine probes in 4 s are enough to wait for the other side's NAT, which may open later.
 */
export const BURST_GAPS_MS: readonly number[] = [33, 66, 132, 264, 528, 1000, 1000, 1000];
/** The number of probes of a burst to each candidate. */
export const BURST_PROBES: number = BURST_GAPS_MS.length + 1;
/** The number of probes to each candidate in a search for a better path, or when the path in use is in doubt. */
export const SEEK_PROBES = 5;
/** The number of probes sent back during one burst, for incoming probes on a path that is not proven. */
export const TRIGGERED_PROBES: number = BURST_PROBES;
/** The shortest time between two probes on one path, in ms. */
export const PROBE_GAP_MS = 15;

/** The times between rounds of bursts while no path works, in ms. The last one is repeated (consensus: up to 60 s). */
export const ROUNDS_MS: readonly number[] = [5_000, 10_000, 20_000, 40_000, 60_000];
/** The time between rounds after {@link BLOCKED_ROUNDS} rounds while UDP is blocked, in ms. */
export const BLOCKED_ROUND_MS = 300_000;
/** The number of rounds without an answer after which blocked UDP counts as permanent. */
export const BLOCKED_ROUNDS = 3;
/** The times between announces while no path works, in ms; then {@link ANNOUNCE_LATER_MS} (design, section 5). */
export const ANNOUNCES_MS: readonly number[] = [5_000, 10_000, 20_000, 40_000, 60_000];
/** The time between announces after all of {@link ANNOUNCES_MS}, in ms. */
export const ANNOUNCE_LATER_MS = 300_000;
/**
 * The number of announces that the peer or a path may cause at once. So a peer that always sends something new cannot
 * make this host send without limit.
 */
export const ANNOUNCE_BURST = 6;
/** How fast {@link ANNOUNCE_BURST} is refilled, in announces per second. */
export const ANNOUNCE_PER_SECOND: number = 1 / 30;
/**
 * The number of announces at once with news of this host: the host has moved, a STUN server sees another address, or a
 * router has mapped a port. One move causes three or four announces.
 */
export const NEWS_BURST = 10;
/**
 * How fast {@link NEWS_BURST} is refilled, in announces per second. Both kinds of announces together stay below the
 * limit of the peer: 20 at once, and 20 a minute.
 */
export const NEWS_PER_SECOND: number = 1 / 5;
/** Intervals are shortened by up to this share, so that peers do not act at the same time. */
export const JITTER = 0.1;

/**
 * The time between probes of the path in use while data flows, in ms (Tailscale: 3 s; iroh, Nebula: 5 s). Together with
 * {@link GIVE_WAY_MS}, a dead path gives way to a relay within 5 s.
 */
export const ACTIVE_PROBE_MS = 2_000;
/**
 * The time between probes of the path in use while no data flows, in ms. The consensus is 25 s, like WireGuard's own
 * keepalive. But some NATs forget a mapping after 20 s, and a late keepalive then finds the other side's NAT closed.
 * Together with {@link GIVE_WAY_MS}, a dead path gives way within 15 s.
 */
export const IDLE_PROBE_MS = 10_000;
/** The time between probes of the path in use after an unanswered one, in ms. */
export const DOUBT_PROBE_MS = 500;
/** How long data counts as activity after it flowed, in ms. */
export const ACTIVE_FOR_MS = 15_000;
/**
 * More bytes than this between two looks at WireGuard, sent and received together, are more than handshakes and
 * keepalives.
 */
export const ACTIVE_BYTES = 400;

/** The shortest time between two searches because the path in use is in doubt, in ms. */
export const DOUBT_GAP_MS = 5_000;

/** A probe counts as unanswered after this number of smoothed round trips … */
export const TIMEOUT_ROUND_TRIPS = 3;
/** … but not earlier than this, in ms. */
export const TIMEOUT_MIN_MS = 250;
/** … and not later than this, in ms. This is also the value for an unknown round trip. */
export const TIMEOUT_MAX_MS = 1_000;
/** A path is silent when this number of probes in a row is unanswered (libtelio, consensus). */
export const SILENT_PROBES = 3;
/**
 * How long the path in use is silent before it is dropped, in ms after its first unanswered probe. Together with
 * {@link ACTIVE_PROBE_MS} this is 7 s after the last answer, within the 15 s of the consensus.
 */
export const SILENT_MS = 5_000;
/**
 * How long the path in use is silent before it gives way to a path that was answered meanwhile, in ms after its first
 * unanswered probe.
 */
export const GIVE_WAY_MS = 2_000;
/** How late received bytes of WireGuard are noticed, in ms: the interval of looks at its state. */
export const WATCH_LAG_MS = 5_000;
/**
 * How long received bytes of WireGuard keep a path whose probes are unanswered, in ms: the lifetime of a session. An
 * idle tunnel may receive only a handshake every two minutes, because a keepalive of one side suppresses those of the
 * other.
 */
export const RECEIVED_HOLD_MS = 180_000;
/**
 * While data flows, WireGuard counts as quiet after it has received nothing for this time, in ms: its passive keepalive
 * of 10 s, and 5 s.
 */
export const QUIET_ACTIVE_MS = 15_000;
/** How long a proof is valid, in ms: three times {@link IDLE_PROBE_MS}. */
export const PROOF_MS = 30_000;
/** How long the peer's view of a path is valid, in ms. */
export const VIEW_MS = 30_000;

/**
 * The time between searches for a better path while a direct one works, in ms (consensus). For a relayed one:
 * {@link ROUNDS_MS}.
 */
export const SEEK_MS = 60_000;
/** A path with at most this round trip is good enough for its tier, in ms (Tailscale). */
export const GOOD_ROUND_TRIP_MS = 5;
/** A better path of the same tier must have at most this share of the round trip (firezone: 20 % better) … */
export const BETTER_SHARE = 0.8;
/** … and be faster by this many ms (iroh). */
export const BETTER_MS = 5;
/** The number of measured round trips that a better path of the same tier needs. */
export const BETTER_SAMPLES = 3;
/**
 * The shortest time between two voluntary changes, in ms. Also the time before a dropped path is taken again, doubled
 * each time.
 */
export const DWELL_MS = 30_000;
/** The longest time that a path which was dropped several times must wait, in ms. */
export const DWELL_MAX_MS = 480_000;
/** After this time in use, earlier drops of a path are forgotten, in ms. */
export const FORGIVE_MS = 300_000;
/** How long the follower waits for the decider's word before it takes a path by itself, in ms. */
export const FOLLOWER_PATIENCE_MS = 1_000;
/**
 * The shortest time between two changes of the follower, in ms. So a decider that names another path in each probe is
 * not always obeyed.
 */
export const FOLLOW_GAP_MS = 1_000;
/** The weight of a new round trip in the smoothed one. */
export const ROUND_TRIP_WEIGHT = 0.25;

/** The lifetime of a WireGuard session, in ms (its REJECT_AFTER_TIME). */
export const SESSION_MS = 180_000;
/**
 * After this time WireGuard will not renew a session by itself, in ms: {@link SESSION_MS}, a keepalive that would have
 * caused a renewal, and two tries. Earlier, an own handshake might cross WireGuard's.
 */
export const SESSION_LOST_MS = 215_000;
/** How long it takes at most to make a peer again, in ms. */
export const RENEWAL_MS = 2_000;
/**
 * After a switch, data must come out of WireGuard within this time, in ms: within the wanted 15 s, including a late
 * look.
 */
export const EVIDENCE_MS = 12_000;
/** While data flows, packets within this time after a switch may still come from the old path, in ms. */
export const SWITCH_SETTLE_MS = 500;
/** The same as {@link EVIDENCE_MS} for a path that failed before, in ms. Another try must not cost much. */
export const EVIDENCE_AGAIN_MS = 4_000;
/** How long a path that carries probes but not WireGuard's data is avoided, in ms; doubled each time … */
export const PENALTY_MS = 60_000;
/** … up to this, in ms. */
export const PENALTY_MAX_MS = 3_600_000;
/** Without a handshake for this time after a switch, the other side is asked for one, in ms. */
export const ASK_WITHOUT_SESSION_MS = 1_000;
/** With a session but without data for this time after a switch, the other side is asked to send, in ms. */
export const ASK_WITH_SESSION_MS = 3_000;
/** The time between probes that ask, in ms. */
export const ASK_PROBE_MS = 2_000;
/**
 * The time between handshakes that are started for the peer or again, in ms (WireGuard's REKEY_TIMEOUT); doubled each
 * time …
 */
export const HANDSHAKE_GAP_MS = 5_000;
/** … up to this, in ms. */
export const HANDSHAKE_GAP_MAX_MS = 60_000;
/** A peer that asks again within this time was not helped by a keepalive, in ms. */
export const ASKED_AGAIN_MS = 20_000;

/** How long after a switch late packets of the old path may still lead WireGuard back, in ms (Nebula: 2 s). */
export const ROAM_SETTLE_MS = 2_000;
/** How long both paths may take to answer before it is decided where WireGuard should be, in ms. */
export const ROAM_PATIENCE_MS = 1_500;
/** The time between corrections, in ms; doubled each time. */
export const CORRECTION_GAP_MS = 2_000;
/** The number of failed corrections before a proven path that the peer insists on is accepted. */
export const CORRECTIONS = 3;

/**
 * How long a direct path is waited for before a relay is sought, in ms. There is no wait if both NATs are symmetric.
 */
export const RELAY_GRACE_MS = 1_000;
/** The time between two searches for a relay while none was found, in ms; doubled each time … */
export const RELAY_WISH_GAP_MS = 1_000;
/** … up to this, in ms. */
export const RELAY_WISH_GAP_MAX_MS = 30_000;

/** The maximum number of candidates of a peer. */
export const REMOTE_CANDIDATES = 32;
/** The maximum number of candidates with the same address (Tailscale). */
export const CANDIDATES_PER_ADDRESS = 6;
/**
 * The number of candidates that only others name, or that the peer no longer names. At this number, others cannot add
 * more.
 */
export const INTRODUCED_PATHS = 8;
/**
 * How long a candidate that others named is kept, in ms: two rounds of probes at the slowest pace of both sides
 * together.
 */
export const INTRODUCED_MS = 120_000;
/** The maximum number of addresses that are only known because probes came from them. */
export const SEEN_PATHS = 8;
/** How long a candidate that is no longer announced is kept, in ms: NAT mappings may alternate (Tailscale). */
export const VANISHED_MS = 310_000;
/** How long a path that is only known by a probe from it is kept after the last probe, in ms (Tailscale: 45 s). */
export const SEEN_MS = 45_000;

/** The maximum number of probes to one address, per second and at once. */
export const DESTINATION_PER_SECOND = 16;
/** The maximum number of probes per second to all candidates of one peer. A lying peer cannot cause more. */
export const PEER_PER_SECOND = 32;
/** The maximum number of probes at once to all candidates of one peer: a first burst to ten of them. */
export const PEER_BURST = 64;

/** The shortest time between two steps that a machine asks for, in ms … */
export const STEP_GAP_MS = 5;
/** … and the longest, in ms. */
export const STEP_MAX_MS = 60_000;
