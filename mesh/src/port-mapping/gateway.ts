import type { Link, Route } from "../device/network.js";
import { parseAddress } from "../ip/address.js";
import { scopeOf } from "../ip/scope.js";

/** The router of the default route. */
export interface Gateway {
  readonly family: 4 | 6;
  readonly address: string;
  /** The interface that leads to the router. */
  readonly device: string;
  /** The own address on that interface, which ports are mapped to. */
  readonly own: string;
}

/**
 * The gateway of the default route, if asking it may help. For IPv4 the own address must be private. For IPv6 it must
 * be global, because a firewall may guard it.
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

/** The destination of packets to a gateway. A link-local address needs its interface. */
export function hostOf({ address, device }: Gateway): string {
  return address.startsWith("fe80:") ? `${address}%${device}` : address;
}
