import type { Link, LinkAddress, Route } from "../device/network.js";
import { parseAddress } from "../ip/address.js";
import { contains, type Prefix, parsePrefix } from "../ip/prefix.js";
import { isReachable } from "../ip/scope.js";

/** How many own addresses are announced, counted after the best are put first: Docker alone may make a hundred. */
const MAX_ADDRESSES = 8;

/** Interfaces that other software makes for guests of this host, or for tunnels of its own. */
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

/** How near to the outside an interface is. A veth that has a default route is the card of a container. */
const Place = { Default: 0, Card: 1, Guest: 2, Tunnel: 3 } as const;

/** An own address that peers may reach. */
export interface LocalAddress {
  readonly address: string;
  readonly family: 4 | 6;
  /** What is directly connected by it. */
  readonly network: Prefix;
}

/**
 * The own addresses that peers may reach, the best first: of the interface that the default route leaves by, of other
 * cards, of bridges, of tunnels; stable ones before temporary ones. At most 8. None of the overlay: neither those of its
 * interface nor those that lie in a network which is reached through it.
 * @param overlay - the name of the WireGuard interface
 */
export function localAddresses(
  links: readonly Link[],
  routes: readonly Route[],
  overlay: string,
): LocalAddress[] {
  const inTunnel = [
    ...routes.filter(({ devices }) => devices.includes(overlay)).map(({ destination }) => destination),
    ...links.filter(({ name }) => name === overlay).flatMap(({ addresses }) => addresses.flatMap(networkOf)),
  ].filter(({ bits }) => bits > 1); // Not what takes everything: 0.0.0.0/0, or its two halves.
  return links
    .filter(({ isUp, isLoopback, name }) => isUp && !isLoopback && name !== overlay)
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

function placeOf({ name, kind = "" }: Link, { family }: LinkAddress, routes: readonly Route[]): number {
  // A VPN of another kind takes the default route, too: what is reached through it still has a card below.
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
