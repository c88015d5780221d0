import { TRANSPORTS, type Transport } from "../platform/transports.js";
import { type BrokerEntry, portOf } from "../wire/broker-pool.js";

/** A transport of a broker, and its port. */
export interface Way {
  readonly transport: Transport;
  readonly port: number;
}

/** The application's options for transports. */
export interface TransportPolicy {
  /** In the order of preference. */
  readonly transports: readonly Transport[];
  /** Whether a transport without TLS may replace one that failed, and may carry a login that could go over TLS. */
  readonly allowInsecure: boolean;
}

/**
 * The ways to a broker in the order in which they are tried; each is tried when those before it have failed. An
 * attacker who can break a TLS connection must not get an unencrypted one instead. So after a way with TLS only ways
 * with TLS follow. If the broker's entry has a login and a TLS port, the login goes over TLS only.
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

/** Whether a broker's login must not be sent unencrypted, because the broker has a TLS port. */
export function keepsLogin(broker: BrokerEntry): boolean {
  const hasLogin = broker.username !== undefined || broker.password !== undefined;
  return hasLogin && (broker.tls !== undefined || broker.wss !== undefined);
}

export function isSecure({ transport }: Pick<Way, "transport">): boolean {
  return TRANSPORTS[transport].isSecure;
}
