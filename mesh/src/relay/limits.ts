/** The limits of a relay. Those without a source are this package's own choice. */

/** The maximum number of pairs at the same time. */
export const MAX_SESSIONS = 64;
/** The maximum number of pairs of one peer, so that a single peer cannot take all places. */
export const MAX_SESSIONS_OF_PEER = 32;
/** A place is given up when no WireGuard packet has passed for this time, in ms: five of WireGuard's keepalives. */
export const IDLE_MS = 120_000;
/** A place is also given up when one of the two peers has not bound to it for this time, in ms (Tailscale). */
export const BIND_MS = 30_000;
/** How often places are checked, in ms. */
export const SWEEP_MS = 10_000;
/** The limit for one pair in bytes per second: 400 Mbit/s, more than this program can forward on a small machine. */
export const PAIR_BYTES_PER_SECOND = 50_000_000;
/** The limit for all pairs in bytes per second. */
export const ALL_BYTES_PER_SECOND = 100_000_000;
/** The maximum number of bytes that wait to be sent for one pair. More bytes are lost, as in any router. */
export const MAX_QUEUED_BYTES: number = 4 << 20;
/** The limit for requests of one peer, because each request may open a socket. */
export const REQUESTS = { perSecond: 1, burst: 16 } as const;

/**
 * How long an early request is remembered, in ms. Such a request came before the relay had a direct path to both peers.
 */
export const REMEMBERED_MS = 5_000;

/** How long the end waits until the others are told, in ms. A lost message is repeated after 250 ms. */
export const FAREWELL_MS = 500;

/** The shortest time between two requests to a relay for the same pair, in ms. */
export const ASK_GAP_MS = 1_500;
/** The pause after a refusal before the same pair is requested again, in ms … */
export const REFUSED_MS = 10_000;
/** … if the relay has no direct path yet, in ms. It tells when it has one. */
export const NO_PATH_MS = 2_000;
/** A relay gives way to the next one when no path through it has worked for this time, in ms … */
export const PATIENCE_MS = 6_000;
/** … and is then not asked for this time, in ms. */
export const FAILED_MS = 60_000;
/** The maximum number of places at relays that are remembered for one peer. */
export const MAX_PLACES = 4;
