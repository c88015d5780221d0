import { formatPrefix, type Prefix } from "../ip/prefix.js";
import type { Command } from "./command.js";
import { leavesBy, type Route } from "./network.js";

/**
 * The protocol number of these routes. Neither `rt_protos` nor the kernel names it. It distinguishes these routes from
 * all others, so that they are found again after a crash.
 */
export const NARROW_PROTOCOL = "173";

/** The smallest MTU of each family, by the length of an address (RFC 791, RFC 8200). */
const LEAST: Readonly<Record<number, number>> = { 4: 576, 16: 1280 };

/** WireGuard fills packets up to a multiple of this length. */
const BLOCK = 16;

/** The input for the routes to a peer. */
export interface Narrowing {
  readonly allowedIps: readonly Prefix[];
  /** The MTU of the interface. */
  readonly mtu: number;
  /** The number of bytes that do not fit any more. */
  readonly overhead: number;
}

/** A route to a prefix by the interface, with its own MTU. */
export interface NarrowRoute {
  readonly prefix: Prefix;
  readonly mtu: number;
}

/**
 * The routes for smaller packets to a peer. They are added before existing routes, and only where packets already go
 * through the interface. Prefixes for all addresses are left out: their routes may be in other tables.
 */
export function narrowRoutes(name: string, routes: readonly Route[], wanted: Narrowing): NarrowRoute[] {
  const { allowedIps, mtu, overhead } = wanted;
  return allowedIps.flatMap((prefix) => {
    const blocks = Math.floor((mtu - overhead) / BLOCK) * BLOCK;
    const narrow = Math.max(blocks, LEAST[prefix.address.length] ?? 0);
    const isOurs = prefix.bits > 1 && leavesBy(name, routes, prefix.address);
    return isOurs && narrow < mtu ? [{ prefix, mtu: narrow }] : [];
  });
}

/**
 * Adds a route. Without a metric, an IPv4 route must be put before the other one. An IPv6 route gets a better metric.
 */
export function addNarrow(name: string, { prefix, mtu }: NarrowRoute): Command {
  const metric = prefix.address.length === 16 ? ["metric", "1"] : [];
  const own = ["dev", name, "proto", NARROW_PROTOCOL, ...metric, "mtu", `${mtu}`];
  return { program: "ip", args: ["route", "prepend", formatPrefix(prefix), ...own] };
}

export function removeNarrow(name: string, { prefix }: NarrowRoute): Command {
  return {
    program: "ip",
    args: ["route", "del", formatPrefix(prefix), "dev", name, "proto", NARROW_PROTOCOL],
  };
}

/** Removes all these routes. No error when there are none. */
export function removeAllNarrow(name: string): Command[] {
  return ["-4", "-6"].map((family) => ({
    program: "ip",
    args: [family, "route", "flush", "dev", name, "proto", NARROW_PROTOCOL],
  }));
}
