import { unmapped } from "../ip/address.js";
import { formatPrefix, masked, type Prefix } from "../ip/prefix.js";

/** The maximum number of subnets that one member may carry: all of them fit a record of a statement. */
export const MAX_ROUTES = 8;

/** Writes routes in their only valid encoding: sorted, each once. */
export function writeRoutes(routes: readonly Prefix[]): Uint8Array {
  const all = new Map(routes.map((route) => [formatPrefix(route), bytesOf(route)]));
  return new Uint8Array(Buffer.concat([...all.values()].toSorted(Buffer.compare)));
}

/**
 * ```text
 * 0  length of the address, 1: 4 or 16
 * 1  bits of the prefix, 1
 * 2  address, 4 or 16
 * ```
 * and so on.
 * @returns undefined for any other encoding, and for more subnets than a member may carry
 */
export function readRoutes(bytes: Uint8Array): Prefix[] | undefined {
  const routes: Prefix[] = [];
  for (let at = 0; at < bytes.length; at += 2 + (bytes[at] ?? 0)) {
    const [length = 0, bits = 0] = bytes.subarray(at);
    const address = bytes.slice(at + 2, at + 2 + length);
    if ((length !== 4 && length !== 16) || address.length !== length || bits > length * 8) return undefined;
    if (unmapped(address) !== address) return undefined;
    routes.push({ address: masked(address, bits), bits });
  }
  const isRight = routes.length <= MAX_ROUTES && Buffer.compare(writeRoutes(routes), bytes) === 0;
  return isRight ? routes : undefined;
}

function bytesOf({ address, bits }: Prefix): Uint8Array {
  return Uint8Array.of(address.length, bits, ...address);
}
