import { setTimeout as delay } from "node:timers/promises";
import type { Gateway } from "./gateway.js";
import type { NewsPlace } from "./gateway-news.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { IgdMapper } from "./igd-mapper.js";
import type { Mapper } from "./mapper.js";
import { NatPmpMapper } from "./nat-pmp-mapper.js";
import { PcpMapper } from "./pcp-mapper.js";
import { PinholeMapper } from "./pinhole-mapper.js";

/** How long to wait for other answers after the first one, in ms. The best protocol is not always the fastest. */
const GRACE_MS = 300;

/** The ports and places that tests replace. */
export interface GatewayPorts {
  /** The port of PCP and NAT-PMP. */
  readonly control?: number;
  /** The destination of the UPnP search. */
  readonly search?: { readonly host: string; readonly port: number };
  /** The place where news of the gateway are received. */
  readonly news?: NewsPlace;
}

/**
 * The protocols that a gateway answers to, the best first: PCP, NAT-PMP, UPnP. All are tried at once. NAT-PMP is only
 * for IPv4.
 * @param lifetimeS - the lifetime to ask for
 */
export async function findMappers(
  gateway: Gateway,
  socket: GatewaySocket,
  lifetimeS: number,
  signal: AbortSignal,
  { control, search }: GatewayPorts = {},
): Promise<Mapper[]> {
  const ending = new AbortController();
  const whole = AbortSignal.any([signal, ending.signal]);
  const pcp = new PcpMapper(gateway, socket, lifetimeS, control);
  const natPmp = new NatPmpMapper(gateway, socket, lifetimeS, control);
  const searches: Promise<Mapper>[] = [
    pcp.find(whole).then(() => pcp),
    ...(gateway.family === 4
      ? [natPmp.find(whole).then(() => natPmp), IgdMapper.find(gateway, socket, lifetimeS, whole, search)]
      : [PinholeMapper.find(gateway, socket, lifetimeS, whole, search)]),
  ];
  const found: (Mapper | undefined)[] = searches.map(() => undefined);
  const all = searches.map(async (one, i) => {
    found[i] = await one.catch(() => undefined);
  });
  const first = Promise.any(searches).then(
    () => delay(GRACE_MS, undefined, { signal: whole }).catch(() => {}),
    () => {},
  );
  await Promise.race([Promise.all(all), first]);
  ending.abort(new Error("too late"));
  signal.throwIfAborted();
  return found.filter((mapper) => mapper !== undefined);
}
