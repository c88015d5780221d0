import { TRANSPORTS, type Transport } from "../platform/transports.js";
import { type BrokerEntry, portOf } from "../wire/broker-pool.js";

/** A transport of a broker, and the port it is spoken at. */
export interface Way {
  readonly transport: Transport;
  readonly port: number;
}

/** What the application says of transports. */
export interface TransportPolicy {
  /** In order of preference. */
  readonly transports: readonly Transport[];
  /** Whether one without TLS may take the place of one that failed, and carry a login that has another way. */
  readonly allowInsecure: boolean;
}

/**
 * The ways to a broker in the order in which they are tried, each when those before it have failed. Whoever
 * can break a connection with TLS must not get one without in its place: after a secure one come secure ones alone.
 * Where the broker's entry has a login and a port with TLS, the login goes over TLS.
 */
export function waysTo(broker: BrokerEntry, { transports, allowInsecure }: TransportPolicy): Way[] {
  const ways = transports.flatMap((transport): Way[] => {
    const port = portOf(broker, transport);
    return port === undefined ? [] : [{ transport, port }];
  });
  const secure = ways.filter(isSecure);
  const others = ways.filter((way) => !isSecure(way));
  if (keepsLogin(broker)) return allowInsecure ? [...secure, ...others] : secure;
  if (allowInsecure) return ways;
  const firstSecure = ways.findIndex(isSecure);
  return ways.filter((way, i) => isSecure(way) || firstSecure < 0 || i < firstSecure);
}

/** Whether a broker's login must not go out in clear: it need not. */
export function keepsLogin(broker: BrokerEntry): boolean {
  const hasLogin = broker.username !== undefined || broker.password !== undefined;
  return hasLogin && (broker.tls !== undefined || broker.wss !== undefined);
}

export function isSecure({ transport }: Pick<Way, "transport">): boolean {
  return TRANSPORTS[transport].isSecure;
}
