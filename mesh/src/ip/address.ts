import { isIPv4, isIPv6 } from "node:net";

/** An IP address as bytes: 4 or 16. */
export type AddressBytes = Uint8Array;

/**
 * Reads an address from text. An IPv4 address in IPv6 form (::ffff:0:0/96) becomes the IPv4 address. Otherwise an
 * address in one form could pass a filter that knows only the other form.
 * @returns undefined for text that is not an address, and for an address with a zone
 */
export function parseAddress(text: string): AddressBytes | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  return unmapped(bytesOfIPv6(text));
}

/** The text of an address; for IPv6 in the form of RFC 5952. */
export function formatAddress(bytes: AddressBytes): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}

/** The IPv4 address in an IPv6 address of the form ::ffff:0:0/96. Any other address is returned unchanged. */
export function unmapped(bytes: AddressBytes): AddressBytes {
  if (bytes.length !== 16) return bytes;
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

function bytesOfIPv6(text: string): Uint8Array {
  // The last 32 bits may be written as an IPv4 address.
  const dotted = /[^:]+\.[^:]+$/.exec(text)?.[0];
  const last = dotted === undefined ? [] : Array.from(dotted.split("."), Number);
  const rest = dotted === undefined ? text : text.slice(0, -dotted.length).replace(/([^:]):$/, "$1");
  const [head = "", tail] = rest.split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const bytes = new Uint8Array(16);
  bytes.set(before);
  bytes.set([...after, ...last], 16 - after.length - last.length);
  return bytes;
}

function groupsOf(text: string): number[] {
  return text
    .split(":")
    .filter((group) => group !== "")
    .flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}
