import type { Candidate } from "../candidates/candidate.js";
import { parseAddress } from "../ip/address.js";
import { endpointOf, formatEndpoint } from "../ip/endpoint.js";
import { isReachable } from "../ip/scope.js";

/**
 * The announced candidates, with one more at the end: the address that the announce came from, with the announced port
 * of WireGuard. The address may be forged, so it is the last candidate and never the only one.
 */
export function withSource(announced: readonly Candidate[], from: string): readonly Candidate[] {
  const [own] = announced.filter(({ kind }) => kind === "host");
  const address = parseAddress(from);
  const endpoint =
    own && address && isReachable(address) ? endpointOf(address, own.endpoint.port) : undefined;
  if (endpoint === undefined) return announced;
  const text = formatEndpoint(endpoint);
  if (announced.some((one) => formatEndpoint(one.endpoint) === text)) return announced;
  return [...announced, { kind: "host", endpoint, ageS: 0 }];
}
