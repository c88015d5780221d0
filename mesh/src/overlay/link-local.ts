import { createHash } from "node:crypto";
import { formatAddress } from "../ip/address.js";
import { checkKey } from "../wireguard-key.js";

/**
 * The link-local address of a WireGuard key: fe80::/64 and the first 8 bytes of the SHA-1 of the raw key. wirelink
 * derives the address in the same way.
 * @param publicKey - 32 bytes
 * @throws {@link MeshError} `INVALID_KEY`
 */
export function linkLocalAddress(publicKey: Uint8Array): string {
  checkKey(publicKey, "publicKey");
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set(createHash("sha1").update(publicKey).digest().subarray(0, 8), 8);
  return formatAddress(address);
}
