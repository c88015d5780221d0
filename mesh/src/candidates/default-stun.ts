/**
 * Public STUN servers of four operators, as they were published on 2026-11-29. A server sees an address and a port,
 * and nothing of who meets whom. Several, since one may be down, and since two have to agree.
 */
export const DEFAULT_STUN: readonly string[] = [
  "stun.cloudflare.com:3478",
  "stun.l.google.com:19302",
  "stun.nextcloud.com:3478",
  "stun.sipgate.net:3478",
];
