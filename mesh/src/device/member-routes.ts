import { parseAddress } from "../ip/address.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { contains, formatPrefix, overlaps, type Prefix } from "../ip/prefix.js";
import { connectedBy } from "./checks.js";
import type { Command } from "./command.js";
import { NARROW_PROTOCOL } from "./narrow.js";
import type { Network, Route } from "./network.js";
import type { DeviceState } from "./state.js";

/** The protocol number of these routes. It distinguishes them from all other routes, even after a crash. */
const PROTOCOL = "174";

/** A subnet that a member carries for others, and that this host does not reach through the member. */
export interface UnusedRoute {
  /** The member's public key, in base64. */
  readonly publicKey: string;
  readonly prefix: Prefix;
  /** The reason, as the end of a sentence. */
  readonly because: string;
}

/**
 * Why this host must not reach a subnet behind a member through the tunnel. Directly connected networks and the
 * networks below the tunnel must stay outside. Settings of somebody else must not be changed.
 * @param name - the name of the interface
 * @param others - the peers that were not added as members
 * @returns the end of a sentence; undefined when the subnet may be used
 */
export function hindranceOf(
  name: string,
  prefix: Prefix,
  { links, routes }: Network,
  state: DeviceState,
  others: DeviceState["peers"],
): string | undefined {
  const holds = (address: string | undefined): boolean => {
    const bytes = parseAddress(address ?? "");
    return bytes !== undefined && contains(prefix, bytes);
  };
  const connected = connectedBy(name, links).find(({ local }) => overlaps(prefix, local));
  if (connected !== undefined)
    return `this host is in ${formatPrefix(connected.local)} itself, by ${connected.device}`;
  const elsewhere = routes.filter(({ table, devices }) => table === "main" && !devices.includes(name));
  const gateway = elsewhere.find((route) => holds(route.gateway))?.gateway;
  if (gateway !== undefined) return `the gateway ${gateway} of this host is in it`;
  const own = elsewhere.find(({ destination }) => isSame(destination, prefix));
  if (own !== undefined)
    return `this host has a route of its own to it${own.devices.map((one) => `, by ${one}`).join("")}`;
  const reached = state.peers.find(({ endpoint }) => holds(endpoint?.address))?.endpoint;
  if (reached !== undefined) return `the tunnel to a peer goes to ${formatEndpoint(reached)}, which is in it`;
  const isTheirs = others.some(({ allowedIps }) => allowedIps.some((one) => isSame(one, prefix)));
  return isTheirs ? "it is an allowed IP of a peer that this interface has besides the members" : undefined;
}

function isSame(one: Prefix, other: Prefix): boolean {
  return one.bits === other.bits && contains(one, other.address);
}

/**
 * The commands that give the interface routes to these prefixes. Missing routes are added, and own routes that are not
 * wanted any more are removed. A route that somebody else made is good enough.
 * @param wanted - the prefixes in the form of `ip`
 */
export function planRoutes(name: string, wanted: readonly string[], { routes }: Network): Command[] {
  const there = routes.filter(({ table, devices }) => table === "main" && devices.includes(name));
  const textsOf = (some: readonly Route[]): string[] =>
    some.map(({ destination }) => formatPrefix(destination));
  const ours = textsOf(there.filter(({ protocol }) => protocol === PROTOCOL));
  const kept = textsOf(there.filter(({ protocol }) => protocol !== NARROW_PROTOCOL));
  // `append`: a route with a smaller MTU may exist, and must stay before this one.
  return [
    ...ours.filter((one) => !wanted.includes(one)).map((one) => route("del", one, name)),
    ...wanted.filter((one) => !kept.includes(one)).map((one) => route("append", one, name)),
  ];
}

function route(verb: "append" | "del", prefix: string, name: string): Command {
  return { program: "ip", args: ["route", verb, prefix, "dev", name, "proto", PROTOCOL] };
}
