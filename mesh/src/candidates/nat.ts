import type { NatVerdict } from "../info.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";

/** What one server saw. */
export interface Sighting {
  readonly server: Endpoint;
  readonly seen: Endpoint;
}

/**
 * What the NATs do, by what several servers saw of one own port.
 *
 * Two servers at different addresses that saw the same make a mapping stable: one that lies is only one more candidate.
 * Servers at one address cannot tell: a mapping may hold for an address as a whole.
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
