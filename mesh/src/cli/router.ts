import { Programs } from "../device/programs.js";
import { Reader } from "../device/reader.js";
import { findMappers } from "../port-mapping/finder.js";
import { gatewayOf } from "../port-mapping/gateway.js";
import { GatewaySocket } from "../port-mapping/gateway-socket.js";
import { LEASE_S } from "../port-mapping/lease-clock.js";
import { type Finding, ok, warning } from "./finding.js";
import { PROTOCOLS } from "./words.js";

/** Which ports the routers of this host would map, and by which protocol. Maps none. */
export async function lookAtRouter(signal: AbortSignal): Promise<Finding> {
  const offers: string[] = [];
  const silent: string[] = [];
  try {
    const reader = new Reader("", new Programs());
    const [links, routes] = await Promise.all([reader.links(signal), reader.routes(signal)]);
    const gateways = ([4, 6] as const).flatMap((family) => gatewayOf(links, routes, "", family) ?? []);
    await Promise.all(
      gateways.map(async (gateway) => {
        await using socket = await GatewaySocket.open(gateway);
        const mappers = await findMappers(gateway, socket, LEASE_S, signal);
        const by = mappers.map(({ protocol }) => PROTOCOLS[protocol]).join(", ");
        const thing = gateway.family === 4 ? "a port" : "a pinhole for IPv6";
        if (mappers.length > 0) offers.push(`${gateway.address} gives ${thing} by ${by}`);
        else silent.push(gateway.address);
      }),
    );
  } catch (error) {
    signal.throwIfAborted();
    return ok("router", `it cannot be asked: ${error instanceof Error ? error.message : error}`);
  }
  if (offers.length > 0) return ok("router", offers.toSorted().join("; "));
  if (silent.length === 0) return ok("router", "none that could be asked for a port: no NAT, or no way out");
  return warning(
    "router",
    `${silent.toSorted().join(", ")} gives no ports: neither PCP nor NAT-PMP nor UPnP is answered`,
    "where there is no direct path to some peer, switch one of them on in the router, or forward a UDP port to this host",
  );
}
