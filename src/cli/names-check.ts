import { isIP } from "node:net";
import type { BrokerPool } from "sidewire";
import { lookUp } from "sidewire/node";

/**
 * The number of names that are tried. Several wrong names are unlikely to be all misspelled, and more look-ups would
 * take long.
 */
const SAMPLE = 4;

const PATIENCE_MS = 5000;

/** Whether none of several names of a pool can be looked up. False for a pool with fewer than two names. */
export async function noNames(
  pool: BrokerPool,
  signal: AbortSignal,
  timeoutMs: number = PATIENCE_MS,
): Promise<boolean> {
  const names = [...new Set([pool.IPv4, pool.IPv6].flatMap((family) => Object.keys(family ?? {})))]
    .filter((host) => isIP(host) === 0)
    .slice(0, SAMPLE);
  if (names.length < 2) return false;
  const found = names.map(async (name) => {
    const addresses = await lookUp(name, [4, 6], AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]));
    if (addresses.length === 0) throw new Error("it has no address");
  });
  const isNone = await Promise.any(found).then(
    () => false,
    () => true,
  );
  signal.throwIfAborted();
  return isNone;
}

/** The brokers of a pool that are given by IP address. */
export function withoutNames(pool: BrokerPool): BrokerPool {
  const ofFamily = (family: BrokerPool["IPv4"] = {}): NonNullable<BrokerPool["IPv4"]> =>
    Object.fromEntries(Object.entries(family).filter(([host]) => isIP(host) !== 0));
  return { ...pool, IPv4: ofFamily(pool.IPv4), IPv6: ofFamily(pool.IPv6) };
}
