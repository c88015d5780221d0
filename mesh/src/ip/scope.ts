import type { AddressBytes } from "./address.js";
import { contains, overlaps, type Prefix, parsePrefix } from "./prefix.js";

/** The scope of an address. `reserved` means that the address belongs to no host, or to every host. */
export type Scope = "reserved" | "multicast" | "loopback" | "link-local" | "private" | "global";

/** The ranges of RFC 6890 and its registries that matter here. The first range that contains the address counts. */
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

/** The scope of an address. */
export function scopeOf(address: AddressBytes): Scope {
  return SCOPES.find(([, prefix]) => contains(prefix, address))?.[0] ?? "global";
}

/** Whether another host may be reached at this address, on this LAN or beyond, without naming an interface. */
export function isReachable(address: AddressBytes): boolean {
  const scope = scopeOf(address);
  return scope === "private" || scope === "global";
}

/** Whether {@link isReachable} is true for every address of a prefix. */
export function isReachablePrefix(prefix: Prefix): boolean {
  return SCOPES.every(([scope, one]) => scope === "private" || scope === "global" || !overlaps(one, prefix));
}
