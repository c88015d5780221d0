import { parseAddress } from "../ip/address.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { contains, formatPrefix, overlaps, type Prefix } from "../ip/prefix.js";
import { connectedBy } from "./checks.js";
import type { Command } from "./command.js";
import { NARROW_PROTOCOL } from "./narrow.js";
import type { Network, Route } from "./network.js";
import type { DeviceState } from "./state.js";

/** The number of these routes' origin, by which they are told from everybody else's, also after a crash. */
const PROTOCOL = "174";

/** A subnet that a member carries for others, and that is not reached through it from this host. */
export interface UnusedRoute {
  /** Of the member, base64. */
  readonly publicKey: string;
  readonly prefix: Prefix;
  /** Why, in a sentence that goes on. */
  readonly because: string;
}

/**
 * Why a subnet behind a member must not be reached through the tunnel from this host: what is connected here, and what
 * the tunnel itself goes over, must stay outside; and what somebody else has set up is his.
 * @param name - of the interface
 * @param others - the peers that are not there because of the members
 * @returns a sentence that goes on; undefined: it may be
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
 * The commands after which the interface has routes to these prefixes: what is missing is added, and what is ours and not
 * wanted is removed. One that somebody else has made is as good.
 * @param wanted - as `ip` takes them
 */
export function planRoutes(name: string, wanted: readonly string[], { routes }: Network): Command[] {
  const there = routes.filter(({ table, devices }) => table === "main" && devices.includes(name));
  const textsOf = (some: readonly Route[]): string[] =>
    some.map(({ destination }) => formatPrefix(destination));
  const ours = textsOf(there.filter(({ protocol }) => protocol === PROTOCOL));
  const kept = textsOf(there.filter(({ protocol }) => protocol !== NARROW_PROTOCOL));
  // `append`: one with a smaller MTU may be there, and stays before it.
  return [
    ...ours.filter((one) => !wanted.includes(one)).map((one) => route("del", one, name)),
    ...wanted.filter((one) => !kept.includes(one)).map((one) => route("append", one, name)),
  ];
}

function route(verb: "append" | "del", prefix: string, name: string): Command {
  return { program: "ip", args: ["route", verb, prefix, "dev", name, "proto", PROTOCOL] };
}
