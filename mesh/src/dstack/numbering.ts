import type { InterfaceAddress } from "../device/create.js";
import { MeshError } from "../errors.js";
import { type AddressBytes, formatAddress } from "../ip/address.js";
import { contains, type Prefix, parsePrefix } from "../ip/prefix.js";

/** The number of the first node in the overlay: the node with index 0 has the address .10. */
const FIRST = 10;

/**
 * Reads the range of an overlay whose nodes are numbered.
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function indexOverlayFrom(text: string, part: string): Prefix {
  const prefix = text.includes("/") ? parsePrefix(text) : undefined;
  if (prefix !== undefined && addressOf(prefix, 0) !== undefined) return prefix;
  throw new MeshError(
    "INVALID_OPTION",
    `${part} "${text}": a range with room for numbers from ${FIRST} on is expected, as in 10.88.0.0/24`,
  );
}

/** The address of the node with an index; undefined when the range has no such address. */
export function addressOf({ address, bits }: Prefix, index: number): AddressBytes | undefined {
  const bytes = Uint8Array.from(address);
  let rest = FIRST + index;
  for (let i = bytes.length - 1; i >= 0 && rest > 0; i--) {
    rest += bytes[i] ?? 0;
    bytes[i] = rest & 0xff;
    rest >>= 8;
  }
  if (rest > 0 || !contains({ address, bits }, bytes)) return undefined;
  // The last address of a range in IPv4 belongs to everybody.
  const isLast = bytes.length === 4 && isAllOnes(bytes, bits);
  return isLast ? undefined : bytes;
}

/** The own address of the node with an index, for an interface. */
export function ownAddressOf(overlay: Prefix, index: number): InterfaceAddress | undefined {
  const bytes = addressOf(overlay, index);
  return bytes && { address: formatAddress(bytes), prefix: overlay };
}

function isAllOnes(bytes: AddressBytes, bits: number): boolean {
  return bytes.every((byte, i) => {
    const host = 0xff >> Math.min(8, Math.max(0, bits - 8 * i));
    return (byte & host) === host;
  });
}
