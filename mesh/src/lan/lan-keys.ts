import { createHmac, hkdfSync } from "node:crypto";
import type { Pair } from "../pair.js";

export const LAN_TAG_BYTES = 8;

/** The keys for sending messages to one peer on a LAN, and for recognising the peer's messages. */
export interface LanKeys {
  /** Seals messages; 32 bytes. */
  readonly sealing: Uint8Array;
  /** Makes tags; 32 bytes. */
  readonly tagging: Uint8Array;
  readonly own: Uint8Array;
  readonly remote: Uint8Array;
}

/**
 * The keys of one pair: `HKDF-SHA256(ikm = announce key, salt = utf8("sidewire-mesh lan seal 1" or "… lan tag 1"), info
 * = empty, L = 32)`. They differ from the keys of probes, so that a message of one kind is never valid as another kind.
 * @param own - the own public key, 32 bytes
 * @param remote - the peer's public key, 32 bytes
 */
export function lanKeysOf(pair: Pair, own: Uint8Array, remote: Uint8Array): LanKeys {
  const derive = (salt: string): Uint8Array =>
    new Uint8Array(hkdfSync("sha256", pair.announceKey, `sidewire-mesh ${salt} 1`, new Uint8Array(), 32));
  return { sealing: derive("lan seal"), tagging: derive("lan tag"), own, remote };
}

/**
 * The tag by which a receiver finds the pair: the first 8 bytes of `HMAC-SHA256(tagging key, from || to || epoch)`,
 * with the epoch as 4 bytes. The tag changes with each epoch, so that an observer of two LANs cannot recognise a host.
 */
export function lanTag(keys: LanKeys, isOurs: boolean, epoch: number): Uint8Array {
  const count = Buffer.alloc(4);
  count.writeUInt32BE(epoch);
  const [from, to] = isOurs ? [keys.own, keys.remote] : [keys.remote, keys.own];
  const mac = createHmac("sha256", keys.tagging).update(from).update(to).update(count).digest();
  return new Uint8Array(mac.subarray(0, LAN_TAG_BYTES));
}
