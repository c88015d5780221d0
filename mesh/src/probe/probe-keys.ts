import { createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import type { Pair } from "../pair.js";

export const TAG_BYTES = 8;

/** What a host needs to probe one peer, and to know the peer's probes. */
export interface ProbeKeys {
  /** Signs probes and answers of both sides. */
  readonly integrity: KeyObject;
  /** Seals what is told in a probe; 32 bytes. */
  readonly sealing: Uint8Array;
  /** Whether the own public key is the higher of the two, by bytes. */
  readonly isHigher: boolean;
  /** Stands in our probes. */
  readonly ownTag: Uint8Array;
  /** Stands in the peer's probes. */
  readonly remoteTag: Uint8Array;
}

/**
 * The keys for probes between two hosts, and the tags by which a receiver finds the pair at the cost of one look-up:
 * `HKDF-SHA256(ikm = probe key, salt = utf8("sidewire-mesh probe tag 1"), info = F || T, L = 8)` for probes of F to T.
 *
 * Tags stay the same for as long as the keys do. Who sees probes of one pair in two networks can tell that they are of
 * the same pair, not of which. WireGuard's own handshake gives away more to those who know a public key.
 * @param own - the own public key, 32 bytes
 * @param remote - the peer's
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
