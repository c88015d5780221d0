/** Every figure of TURN, with its unit. Where there is no source, it is our own choice. */

/** When a request is sent, ms after the first time, and when it is given up: as what is told in probes. */
export const REQUEST_AT_MS = [0, 250, 750, 1750] as const;
export const REQUEST_GIVEN_UP_MS = 3750;
/** New nonces that one request follows: a server that never takes any is not asked for ever. */
export const MAX_NONCES = 3;
/** The longest realm and nonce that are taken, bytes (RFC 8489, sections 14.9 and 14.10). */
export const MAX_TEXT_BYTES = 763;

/** The shortest allocation that is of use, and the longest that is believed, s. */
export const LIFETIME_S = { least: 20, most: 3600 } as const;
/**
 * An allocation is refreshed at half its lifetime, and as often as this, ms: NATs forget, and a server that was started
 * anew says nothing by itself.
 */
export const REFRESH_MS = 20_000;
/** … and at once where a path is in doubt, when the last word of the server is older than this, ms. */
export const DOUBT_MS = 1000;
/** Permissions last 300 s, channels 600 s (RFC 8656, sections 9 and 12): both are renewed after this, ms. */
export const RENEW_MS = 120_000;

/** Servers that can be named. */
export const MAX_SERVERS = 8;
/** Servers that a server may send us on to, one after the other (300, Try Alternate). */
export const MAX_ALTERNATES = 1;
/** A server that failed is asked again after this, doubled each time … */
export const RETRY_MS = 1000;
/** … up to this, ms. An allocation that held so long makes up for what failed before. */
export const RETRY_MAX_MS = 60_000;

/** Addresses of one peer that may send to us: it may be behind a NAT with several. */
export const MAX_PERMISSIONS_PER_PEER = 6;
/** Peers at once. There are 4096 numbers of channels (RFC 8656, section 12). */
export const MAX_WAYS = 1024;
/** A way that nobody wants or uses any more is given up after this, ms. */
export const LINGER_MS = 60_000;
/**
 * A peer from which nothing was heard for so long is not waited for, ms: one that is there announces itself each 5 min.
 */
export const HEARD_MS = 330_000;
/** How often is looked for what is due, ms. */
export const SWEEP_MS = 1000;

/** Bytes that wait to be sent, at most: what is more is lost, as in any router. */
export const MAX_QUEUED_BYTES: number = 4 << 20;
/** What a channel adds to each packet, bytes (RFC 8656, section 12.4). */
export const OVERHEAD_BYTES = 4;
/** So long the end waits for the server to know, ms. */
export const FAREWELL_MS = 500;
