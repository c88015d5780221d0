import { isIP } from "node:net";
import type { BrokerPool } from "sidewire";
import { lookUp } from "sidewire/node";

/** So many that cannot be looked up are not all misspelt, and nobody is asked for a hundred. */
const SAMPLE = 4;

const PATIENCE_MS = 5000;

/** Whether no name of a pool can be looked up, of several that are tried; not where it has one name or none. */
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

/** What of a pool needs no name to be looked up. */
export function withoutNames(pool: BrokerPool): BrokerPool {
  const ofFamily = (family: BrokerPool["IPv4"] = {}): NonNullable<BrokerPool["IPv4"]> =>
    Object.fromEntries(Object.entries(family).filter(([host]) => isIP(host) !== 0));
  return { ...pool, IPv4: ofFamily(pool.IPv4), IPv6: ofFamily(pool.IPv6) };
}
