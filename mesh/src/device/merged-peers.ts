import { MeshError } from "../errors.js";
import { formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import type { NewPeer } from "./create.js";

/** Peers of which each has another key. */
export interface MergedPeers {
  readonly peers: readonly NewPeer[];
  /** A sentence for each endpoint that is not used. */
  readonly notes: readonly string[];
}

/**
 * Makes one peer of those with the same key, because WireGuard has one peer for each key: the last command for a key
 * would replace the allowed IPs of the earlier ones. The peer gets the allowed IPs of all, each once, and the first
 * endpoint.
 * @throws {@link MeshError} `CONFLICT` for two preshared keys: with the wrong one, the peer could never be reached
 */
export function mergedPeers(peers: readonly NewPeer[]): MergedPeers {
  const merged = new Map<string, NewPeer>();
  const notes: string[] = [];
  for (const peer of peers) {
    const key = formatKey(peer.publicKey);
    const first = merged.get(key);
    merged.set(key, first === undefined ? withEachOnce(peer) : together(key, first, peer, notes));
  }
  return { peers: [...merged.values()], notes };
}

function together(key: string, first: NewPeer, next: NewPeer, notes: string[]): NewPeer {
  const [endpoint = next.endpoint, presharedKey = next.presharedKey] = [first.endpoint, first.presharedKey];
  if (presharedKey && next.presharedKey && formatKey(presharedKey) !== formatKey(next.presharedKey))
    throw new MeshError(
      "CONFLICT",
      `peer ${key} is there twice, with two preshared keys: leave the wrong one out`,
    );
  if (endpoint && next.endpoint && formatEndpoint(endpoint) !== formatEndpoint(next.endpoint))
    notes.push(
      `peer ${key} is there twice: of its endpoints, ${formatEndpoint(endpoint)} is used, and ` +
        `${formatEndpoint(next.endpoint)} is not`,
    );
  return withEachOnce({
    publicKey: first.publicKey,
    allowedIps: [...first.allowedIps, ...next.allowedIps],
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(presharedKey === undefined ? {} : { presharedKey }),
  });
}

function withEachOnce(peer: NewPeer): NewPeer {
  const prefixes = new Map<string, Prefix>(peer.allowedIps.map((one) => [formatPrefix(one), one]));
  return prefixes.size === peer.allowedIps.length ? peer : { ...peer, allowedIps: [...prefixes.values()] };
}
