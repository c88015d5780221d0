import { networkInterfaces } from "node:os";

/** Connections that are opened together share one look at the interfaces, ms: it takes 0.05 ms with two of them. */
const SHARED_MS = 1000;

let last: { readonly at: number; readonly addresses: ReadonlySet<string> } | undefined;

/**
 * The addresses that the system lists. A machine may well use others: all of 127.0.0.0/8, prefixes with a local route.
 * Empty where the system does not tell, as on Android.
 * @param maxAgeMs - how old an earlier look may be
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

/** Whether the system lists an address that a connection was opened from just now. */
export function isListed(address: string): boolean {
  return listed(SHARED_MS).has(address) || listed(0).has(address);
}

/** Whether an address that the system has listed is none of the machine's any more. */
export function isGone(address: string): boolean {
  const addresses = listed(0);
  return addresses.size > 0 && !addresses.has(address);
}
