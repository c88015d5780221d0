import { networkInterfaces } from "node:os";

/**
 * Connections that are opened within this time share one look at the interfaces, in ms. A look takes 0.05 ms for two
 * interfaces.
 */
const SHARED_MS = 1000;

let last: { readonly at: number; readonly addresses: ReadonlySet<string> } | undefined;

/**
 * The addresses that the system lists. A machine may use unlisted addresses as well: all of 127.0.0.0/8, and prefixes
 * with a local route. The set is empty when the system does not tell, as on Android.
 * @param maxAgeMs - the maximum age of an earlier result that is used again
 */
function listed(maxAgeMs: number): ReadonlySet<string> {
  const now = performance.now();
  if (last !== undefined && now - last.at < maxAgeMs) return last.addresses;
  const addresses = new Set<string>();
  try {
    for (const one of Object.values(networkInterfaces()).flat()) if (one) addresses.add(one.address);
  } catch {}
  last = { at: now, addresses };
  return addresses;
}

/** Whether the system lists an address. The address is that of a connection opened just now. */
export function isListed(address: string): boolean {
  return listed(SHARED_MS).has(address) || listed(0).has(address);
}

/** Whether an address that the system has listed before does not belong to this machine any more. */
export function isGone(address: string): boolean {
  const addresses = listed(0);
  return addresses.size > 0 && !addresses.has(address);
}
