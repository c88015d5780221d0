/**
 * Public STUN servers of four operators, as published on 2026-11-29. A server sees an address and a port, but not who
 * meets whom. There are several, because one may be down, and because two of them must agree.
 */
export const DEFAULT_STUN: readonly string[] = [
  "stun.cloudflare.com:3478",
  "stun.l.google.com:19302",
  "stun.nextcloud.com:3478",
  "stun.sipgate.net:3478",
];
