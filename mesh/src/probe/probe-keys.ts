import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Pair } from "../pair.js";

export const TAG_BYTES = 8;

/** The keys for probing one peer, and for recognising the peer's probes. */
export interface ProbeKeys {
  /** Signs the probes and answers of both sides. */
  readonly integrity: KeyObject;
  /** Seals messages in probes; 32 bytes. */
  readonly sealing: Uint8Array;
  /** Whether the own public key is the higher one, byte by byte. */
  readonly isHigher: boolean;
  /** The tag in own probes. */
  readonly ownTag: Uint8Array;
  /** The tag in the peer's probes. */
  readonly remoteTag: Uint8Array;
}

/**
 * Derives the keys for probes between two hosts, and the tags by which a receiver finds the pair with one look-up:
 * `HKDF-SHA256(ikm = probe key, salt = utf8("sidewire-mesh probe tag 1"), info = F || T, L = 8)` for probes from F to
 * T.
 *
 * Tags stay the same as long as the keys. An observer of one pair in two networks can see that the probes belong to the
 * same pair, but not to which one. WireGuard's own handshake reveals more to somebody who knows a public key.
 * @param own - the own public key, 32 bytes
 * @param remote - the peer's public key, 32 bytes
 */
export function probeKeysOf(pair: Pair, own: Uint8Array, remote: Uint8Array): ProbeKeys {
  const tag = (from: Uint8Array, to: Uint8Array): Uint8Array =>
    new Uint8Array(
      hkdfSync("sha256", pair.probeKey, "sidewire-mesh probe tag 1", Buffer.concat([from, to]), TAG_BYTES),
    );
  return {
    integrity: createSecretKey(pair.probeKey),
    sealing: pair.announceKey,
    isHigher: Buffer.compare(own, remote) > 0,
    ownTag: tag(own, remote),
    remoteTag: tag(remote, own),
  };
}
