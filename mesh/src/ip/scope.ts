import type { AddressBytes } from "./address.js";
import { contains, overlaps, type Prefix, parsePrefix } from "./prefix.js";

/** How far an address reaches. `reserved`: nobody has it, or everybody. */
export type Scope = "reserved" | "multicast" | "loopback" | "link-local" | "private" | "global";

/** RFC 6890 and its registries, as far as it matters here; the first that fits counts. */
const SCOPES: readonly (readonly [Scope, Prefix])[] = (
  [
    ["reserved", "0.0.0.0/8"],
    ["reserved", "::/128"],
    ["reserved", "240.0.0.0/4"],
    ["multicast", "224.0.0.0/4"],
    ["multicast", "ff00::/8"],
    ["loopback", "127.0.0.0/8"],
    ["loopback", "::1/128"],
    ["link-local", "169.254.0.0/16"],
    ["link-local", "fe80::/10"],
    ["private", "10.0.0.0/8"],
    ["private", "172.16.0.0/12"],
    ["private", "192.168.0.0/16"],
    ["private", "100.64.0.0/10"],
    ["private", "fc00::/7"],
  ] as const
).flatMap(([scope, text]) => {
  const prefix = parsePrefix(text);
  return prefix === undefined ? [] : [[scope, prefix] as const];
});

/** How far an address reaches. */
export function scopeOf(address: AddressBytes): Scope {
  return SCOPES.find(([, prefix]) => contains(prefix, address))?.[0] ?? "global";
}

/** Whether another host may be reached by it, on this LAN or beyond, without saying by which interface. */
export function isReachable(address: AddressBytes): boolean {
  const scope = scopeOf(address);
  return scope === "private" || scope === "global";
}

/** Whether every address of a prefix is one that {@link isReachable}. */
export function isReachablePrefix(prefix: Prefix): boolean {
  return SCOPES.every(([scope, one]) => scope === "private" || scope === "global" || !overlaps(one, prefix));
}
