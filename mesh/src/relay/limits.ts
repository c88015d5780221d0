/** What a relay does for others at most, and for how long. Where there is no source, it is our own choice. */

/** Pairs that are relayed for at once. */
export const MAX_SESSIONS = 64;
/** … and those of one peer that asks for more: one alone does not take the places of all others. */
export const MAX_SESSIONS_OF_PEER = 32;
/** A place is given up when no packet of WireGuard has passed for so long, ms: five of its keepalives. */
export const IDLE_MS = 120_000;
/** … and when one of the two did not bind to it for so long, ms (Tailscale). */
export const BIND_MS = 30_000;
/** How often places are looked at for that, ms. */
export const SWEEP_MS = 10_000;
/** Bytes a second that pass for one pair: 400 Mbit/s, more than the program can forward on a small machine. */
export const PAIR_BYTES_PER_SECOND = 50_000_000;
/** Bytes a second that pass for all pairs. */
export const ALL_BYTES_PER_SECOND = 100_000_000;
/** Bytes that wait to be sent for one pair, at most: what is more is lost, as in any router. */
export const MAX_QUEUED_BYTES: number = 4 << 20;
/** Requests of one peer: as many at once, and a second. Each may open a socket. */
export const REQUESTS = { perSecond: 1, burst: 16 } as const;

/** A request that came before the relay had a direct path to both is remembered so long, ms. */
export const REMEMBERED_MS = 5_000;

/** So long the end waits for those who are told of it, ms: a word that was lost is said again after 250 ms. */
export const FAREWELL_MS = 500;

/** A relay that was asked for the same pair is not asked again before, ms. */
export const ASK_GAP_MS = 1_500;
/** A relay that refused is not asked again for the same pair before, ms … */
export const REFUSED_MS = 10_000;
/** … where it has no direct path yet, ms: it tells when it has. */
export const NO_PATH_MS = 2_000;
/** A relay through which no path came to be for so long gives way to the next one, ms … */
export const PATIENCE_MS = 6_000;
/** … for so long, ms. */
export const FAILED_MS = 60_000;
/** Places at relays that are remembered for one peer. */
export const MAX_PLACES = 4;
