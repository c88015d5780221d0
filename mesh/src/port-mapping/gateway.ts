import type { Link, Route } from "../device/network.js";
import { parseAddress } from "../ip/address.js";
import { scopeOf } from "../ip/scope.js";

/** The router that the way out leads to, and how it is reached. */
export interface Gateway {
  readonly family: 4 | 6;
  readonly address: string;
  /** The interface that it is behind. */
  readonly device: string;
  /** The own address there: the one that a port is mapped to. */
  readonly own: string;
}

/**
 * The gateway of the default route, where asking it may help: in IPv4 when the own address is a private one, in IPv6
 * when it is a global one, which a firewall may guard.
 * @param overlay - the name of the WireGuard interface
 */
export function gatewayOf(
  links: readonly Link[],
  routes: readonly Route[],
  overlay: string,
  family: 4 | 6,
): Gateway | undefined {
  const [route] = routes
    .filter((one) => one.family === family && one.table === "main" && one.destination.bits === 0)
    .filter(({ gateway, devices }) => gateway !== undefined && !devices.includes(overlay))
    .toSorted((a, b) => a.metric - b.metric);
  const link = links.find(({ name }) => name === route?.devices[0]);
  const gateway = parseAddress(route?.gateway ?? "");
  if (route?.gateway === undefined || link === undefined || gateway?.length !== (family === 4 ? 4 : 16))
    return undefined;
  const usable = link.addresses.filter((one) => one.family === family && one.isUsable);
  const own = usable
    .toSorted((a, b) => Number(a.isTemporary) - Number(b.isTemporary))
    .find(({ address }) => {
      const bytes = parseAddress(address);
      return bytes !== undefined && scopeOf(bytes) === (family === 4 ? "private" : "global");
    });
  if (own === undefined) return undefined;
  return {
    family,
    address: route.gateway,
    device: link.name,
    own: own.address,
  };
}

/** Where packets to a gateway are sent: a link-local address says by which interface. */
export function hostOf({ address, device }: Gateway): string {
  return address.startsWith("fe80:") ? `${address}%${device}` : address;
}
