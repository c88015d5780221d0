import type { NatVerdict } from "../info.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";

/** What one STUN server saw. */
export interface Sighting {
  readonly server: Endpoint;
  readonly seen: Endpoint;
}

/**
 * The behaviour of the NATs, found by comparing what several servers saw of one own port.
 *
 * When two servers at different addresses saw the same endpoint, the mapping is stable. So one wrong server only adds a
 * candidate. Servers at the same address prove nothing, because a mapping may be the same for all ports of an address.
 * @param locals - the own addresses
 */
export function verdictOf(sightings: readonly Sighting[], locals: readonly string[]): NatVerdict {
  if (sightings.some(({ seen }) => locals.includes(seen.address))) return "open";
  const seenBy = new Map<string, Set<string>>();
  for (const { server, seen } of sightings) {
    const key = formatEndpoint(seen);
    seenBy.set(key, (seenBy.get(key) ?? new Set()).add(server.address));
  }
  if ([...seenBy.values()].some((servers) => servers.size > 1)) return "stable";
  return seenBy.size > 1 ? "symmetric" : "unknown";
}
