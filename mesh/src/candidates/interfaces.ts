import type { Link, LinkAddress, Route } from "../device/network.js";
import { parseAddress } from "../ip/address.js";
import { contains, type Prefix, parsePrefix } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";
import { matchesGlob } from "./glob.js";

/** The maximum number of own addresses that are announced, after sorting. Docker alone may create a hundred. */
const MAX_ADDRESSES = 8;

/** Interfaces that other software makes for guests of this host, or for its own tunnels. */
const GUEST_NAMES =
  /^(docker|br-|virbr|vnet|vmnet|vboxnet|veth|lxc|lxd|cni|flannel|cali|cilium|podman|tailscale|zt|nebula|wt\d)/;
const GUEST_KINDS: ReadonlySet<string> = new Set(["bridge", "dummy", "veth", "ifb", "macvtap"]);
const TUNNEL_KINDS: ReadonlySet<string> = new Set([
  "wireguard",
  "tun",
  "ppp",
  "ipip",
  "ip6tnl",
  "sit",
  "gre",
  "gretap",
  "vti",
  "vxlan",
  "xfrm",
]);

/** The rank of an interface. A veth with a default route is the network card of a container. */
const Place = { Default: 0, Card: 1, Guest: 2, Tunnel: 3 } as const;

/** The interfaces whose addresses are told to peers, by patterns with `*`, `?` and `[a-z]`. */
export interface ReportedInterfaces {
  /** Only these interfaces. Default: all. */
  readonly only?: readonly string[] | undefined;
  /** All except these interfaces. Default: none is excepted. */
  readonly hidden?: readonly string[] | undefined;
}

/** An own address that peers may reach. */
export interface LocalAddress {
  readonly address: string;
  readonly family: 4 | 6;
  /** The network that is directly connected at this address. */
  readonly network: Prefix;
}

/**
 * The own addresses that peers may reach, at most 8, the best first: those of the interface of the default route, of
 * other cards, of bridges, of tunnels. Stable addresses come before temporary ones. Addresses of the overlay are left
 * out: those of its interface, and those in networks that are reached through it.
 * @param overlay - the name of the WireGuard interface
 * @param reported - the interfaces that count. Default: all
 */
export function localAddresses(
  links: readonly Link[],
  routes: readonly Route[],
  overlay: string,
  reported: ReportedInterfaces = {},
): LocalAddress[] {
  const inTunnel = [
    ...routes.filter(({ devices }) => devices.includes(overlay)).map(({ destination }) => destination),
    ...links.filter(({ name }) => name === overlay).flatMap(({ addresses }) => addresses.flatMap(networkOf)),
  ].filter(({ bits }) => bits > 1); // Not what takes everything: 0.0.0.0/0, or its two halves.
  return links
    .filter(({ isUp, isLoopback, name }) => isUp && !isLoopback && name !== overlay)
    .filter(({ name }) => isReported(name, reported))
    .flatMap((link) =>
      link.addresses.flatMap((one) => {
        const bytes = parseAddress(one.address);
        const [network] = networkOf(one);
        if (!one.isUsable || bytes === undefined || network === undefined || !isReachable(bytes)) return [];
        if (inTunnel.some((prefix) => contains(prefix, bytes))) return [];
        const local: LocalAddress = { address: one.address, family: one.family, network };
        return [{ place: placeOf(link, one, routes), isTemporary: one.isTemporary, local }];
      }),
    )
    .sort((a, b) => a.place - b.place || Number(a.isTemporary) - Number(b.isTemporary))
    .slice(0, MAX_ADDRESSES)
    .map(({ local }) => local);
}

function isReported(name: string, { only, hidden = [] }: ReportedInterfaces): boolean {
  const isAmong = (patterns: readonly string[]): boolean =>
    patterns.some((pattern) => matchesGlob(name, pattern));
  return (only === undefined || only.length === 0 || isAmong(only)) && !isAmong(hidden);
}

function placeOf({ name, kind = "" }: Link, { family }: LinkAddress, routes: readonly Route[]): number {
  // A VPN of another kind may also have the default route. The addresses of the card below it still work.
  if (TUNNEL_KINDS.has(kind)) return Place.Tunnel;
  const isDefault = routes.some(
    (route) => route.family === family && route.destination.bits === 0 && route.devices.includes(name),
  );
  if (isDefault) return Place.Default;
  return GUEST_NAMES.test(name) || GUEST_KINDS.has(kind) ? Place.Guest : Place.Card;
}

function networkOf({ address, bits }: LinkAddress): Prefix[] {
  const network = parsePrefix(`${address}/${bits}`);
  return network === undefined ? [] : [network];
}
