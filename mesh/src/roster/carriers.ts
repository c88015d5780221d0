import { formatPrefix, overlaps, type Prefix } from "../ip/prefix.js";
import { isReachablePrefix } from "../ip/scope.js";
import type { ClaimedRoute } from "./claims.js";

/** The shortest prefix of a subnet that may be carried, in bits. A network is not a way out to the internet. */
export const MIN_ROUTE_BITS = 8;

/** The maximum number of subnets that the members of a network carry. Later ones are not carried. */
export const MAX_CARRIED = 256;

/** A subnet that a member should carry and does not. */
export interface RefusedRoute<T> {
  readonly by: T;
  readonly prefix: Prefix;
  /** The member that carries it instead, or the reason why nobody may. */
  readonly because: { readonly carrier: T } | { readonly problem: string };
}

/** The result: which member carries which subnet. */
export interface Carriers<T> {
  readonly routes: ReadonlyMap<T, readonly Prefix[]>;
  readonly refused: readonly RefusedRoute<T>[];
}

/**
 * Decides which member carries which subnet. If several members were given the same prefix, the one that has had it for
 * the longest time carries it; the next one follows when that one is gone. A longer prefix beside a shorter one is no
 * conflict: the longer one goes first, as in WireGuard. A subnet for which {@link problemOf} finds a problem is carried
 * by nobody.
 * @param claims - the subnets of each member
 * @param overlay - the prefixes of the network's own addresses
 */
export function carriersOf<T>(
  claims: ReadonlyMap<T, readonly ClaimedRoute[]>,
  overlay: readonly Prefix[],
): Carriers<T> {
  const all = [...claims].flatMap(([by, routes]) => routes.map((route) => ({ by, ...route })));
  const carriers = new Map<string, T>();
  const routes = new Map<T, Prefix[]>();
  const refused: RefusedRoute<T>[] = [];
  for (const { by, prefix } of all.toSorted((one, other) => one.since - other.since)) {
    const text = formatPrefix(prefix);
    const carrier = carriers.get(text);
    const problem =
      problemOf(prefix, overlay) ??
      (carriers.size < MAX_CARRIED ? undefined : `a network carries ${MAX_CARRIED} subnets at most`);
    if (problem !== undefined) refused.push({ by, prefix, because: { problem } });
    else if (carrier !== undefined) refused.push({ by, prefix, because: { carrier } });
    else {
      carriers.set(text, by);
      routes.set(by, [...(routes.get(by) ?? []), prefix]);
    }
  }
  return { routes, refused };
}

/** Why nobody may carry a subnet, as the end of a sentence; undefined when a member may carry it. */
export function problemOf(prefix: Prefix, overlay: readonly Prefix[]): string | undefined {
  const own = overlay.find((one) => overlaps(one, prefix));
  if (prefix.bits < MIN_ROUTE_BITS)
    return `a subnet of /${MIN_ROUTE_BITS} or smaller is expected: no member is a way out to the internet`;
  if (own !== undefined) return `it covers addresses of the network itself (${formatPrefix(own)})`;
  return isReachablePrefix(prefix) ? undefined : "its addresses are not those of another network";
}
