import { randomBytes } from "node:crypto";
import { type Pair, pairOf } from "../../src/pair.js";
import { publicKeyOf } from "../../src/wireguard-key.js";

/** A WireGuard host's keys. */
export interface HostKeys {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

export function newHostKeys(): HostKeys {
  const privateKey = new Uint8Array(randomBytes(32));
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

export function pairBetween(own: HostKeys, peer: HostKeys): Pair {
  return pairOf(own.privateKey, peer.publicKey);
}
