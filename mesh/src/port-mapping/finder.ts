import { setTimeout as delay } from "node:timers/promises";
import type { Gateway } from "./gateway.js";
import type { NewsPlace } from "./gateway-news.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { IgdMapper } from "./igd-mapper.js";
import type { Mapper } from "./mapper.js";
import { NatPmpMapper } from "./nat-pmp-mapper.js";
import { PcpMapper } from "./pcp-mapper.js";
import { PinholeMapper } from "./pinhole-mapper.js";

/** How long after the first answer others are waited for, ms: the best way to ask is not always the fastest. */
const GRACE_MS = 300;

/** What is different for a test. */
export interface GatewayPorts {
  /** Of PCP and NAT-PMP. */
  readonly control?: number;
  /** Where the search of UPnP is sent. */
  readonly search?: { readonly host: string; readonly port: number };
  /** Where news of the gateway are heard. */
  readonly news?: NewsPlace;
}

/**
 * The ways to ask a gateway that it answers to, the best first: PCP, NAT-PMP, UPnP. All are tried at once; NAT-PMP is of
 * IPv4 alone.
 * @param lifetimeS - what mappings are asked for
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
