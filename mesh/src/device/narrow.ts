import { formatPrefix, type Prefix } from "../ip/prefix.js";
import type { Command } from "./command.js";
import { leavesBy, type Route } from "./network.js";

/**
 * The number of our routes' origin: none that `rt_protos` or the kernel names. It tells them from everybody else's, so
 * that they are found again after a crash.
 */
export const NARROW_PROTOCOL = "173";

/** The smallest MTU of each family (RFC 791, RFC 8200). */
const LEAST: Readonly<Record<number, number>> = { 4: 576, 16: 1280 };

/** WireGuard fills packets up to a multiple of this. */
const BLOCK = 16;

/** What the routes to a peer are to be. */
export interface Narrowing {
  readonly allowedIps: readonly Prefix[];
  /** Of the interface. */
  readonly mtu: number;
  /** So many bytes fewer fit. */
  readonly overhead: number;
}

/** A route to a prefix by the interface, with an MTU of its own. */
export interface NarrowRoute {
  readonly prefix: Prefix;
  readonly mtu: number;
}

/**
 * The routes by which smaller packets go to a peer: beside those that are there, before them in the order, and only where
 * packets go through the interface already. What takes everything is left alone: it may be in tables of its own.
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

/** Adds one. Without a metric, a route of IPv4 can only be put before another one; one of IPv6 has a better metric. */
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

/** Removes all of ours; no error when there are none. */
export function removeAllNarrow(name: string): Command[] {
  return ["-4", "-6"].map((family) => ({
    program: "ip",
    args: [family, "route", "flush", "dev", name, "proto", NARROW_PROTOCOL],
  }));
}
