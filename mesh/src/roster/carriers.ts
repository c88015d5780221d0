import { formatPrefix, overlaps, type Prefix } from "../ip/prefix.js";
import { isReachablePrefix } from "../ip/scope.js";
import type { ClaimedRoute } from "./claims.js";

/** The widest subnet that may be carried, as bits of its prefix: a network is no way out to the internet. */
export const MIN_ROUTE_BITS = 8;

/** Subnets that members of one network carry; what was given after these is not carried. */
export const MAX_CARRIED = 256;

/** A subnet that a member was given to carry, and does not. */
export interface RefusedRoute<T> {
  readonly by: T;
  readonly prefix: Prefix;
  /** The member that carries it, or why nobody may. */
  readonly because: { readonly carrier: T } | { readonly problem: string };
}

/** Who carries what. */
export interface Carriers<T> {
  readonly routes: ReadonlyMap<T, readonly Prefix[]>;
  readonly refused: readonly RefusedRoute<T>[];
}

/**
 * Which member carries which subnet. Of several that were given one prefix the one that has had it for longest carries it;
 * the next one follows when it is gone. A longer prefix beside a shorter one is no conflict: it goes first, as in
 * WireGuard. Nobody carries what {@link problemOf} finds something about.
 * @param claims - of each member
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

/** Why nobody may carry a subnet, in a sentence that goes on; undefined when somebody may. */
export function problemOf(prefix: Prefix, overlay: readonly Prefix[]): string | undefined {
  const own = overlay.find((one) => overlaps(one, prefix));
  if (prefix.bits < MIN_ROUTE_BITS)
    return `a subnet of /${MIN_ROUTE_BITS} or smaller is expected: no member is a way out to the internet`;
  if (own !== undefined) return `it covers addresses of the network itself (${formatPrefix(own)})`;
  return isReachablePrefix(prefix) ? undefined : "its addresses are not those of another network";
}
