/** All numbers of TURN, with their units. Those without a source are this package's own choice. */

/** When a request is repeated, in ms after the first time, and when it is given up; as for messages in probes. */
export const REQUEST_AT_MS = [0, 250, 750, 1750] as const;
export const REQUEST_GIVEN_UP_MS = 3750;
/** The maximum number of new nonces for one request, because a bad server could send new ones without end. */
export const MAX_NONCES = 3;
/** The maximum length of a realm or a nonce in bytes (RFC 8489, sections 14.9 and 14.10). */
export const MAX_TEXT_BYTES = 763;

/** The shortest useful lifetime of an allocation, and the longest that is believed, in s. */
export const LIFETIME_S = { least: 20, most: 3600 } as const;
/**
 * An allocation is refreshed at half of its lifetime, and at least this often, in ms. NATs forget mappings, and a
 * restarted server does not report that.
 */
export const REFRESH_MS = 20_000;
/** When a path is in doubt, the allocation is refreshed at once if the last refresh is older than this, in ms. */
export const DOUBT_MS = 1000;
/**
 * How often permissions and channels are renewed, in ms. Permissions last 300 s, channels 600 s (RFC 8656, sections 9
 * and 12).
 */
export const RENEW_MS = 120_000;

/** The maximum number of configured servers. */
export const MAX_SERVERS = 8;
/** The maximum number of alternate servers that are followed one after the other (300, Try Alternate). */
export const MAX_ALTERNATES = 1;
/** The pause before a failed server is asked again, doubled each time … */
export const RETRY_MS = 1000;
/** … up to this, in ms. After an allocation that lasted this long, earlier failures are forgotten. */
export const RETRY_MAX_MS = 60_000;

/** The maximum number of addresses of one peer that may send. The peer may be behind a NAT with several addresses. */
export const MAX_PERMISSIONS_PER_PEER = 6;
/** The maximum number of peers at the same time. There are 4096 channel numbers (RFC 8656, section 12). */
export const MAX_WAYS = 1024;
/** How long a way that nobody wants or uses is kept, in ms. */
export const LINGER_MS = 60_000;
/**
 * A peer that was not heard for this time is not waited for, in ms. A peer that is there announces itself every 5 min.
 */
export const HEARD_MS = 330_000;
/** How often due work is checked, in ms. */
export const SWEEP_MS = 1000;

/** The maximum number of bytes that wait to be sent. More bytes are lost, as in any router. */
export const MAX_QUEUED_BYTES: number = 4 << 20;
/** The number of bytes that a channel adds to each packet (RFC 8656, section 12.4). */
export const OVERHEAD_BYTES = 4;
/** How long the end waits for the server, in ms. */
export const FAREWELL_MS = 500;
