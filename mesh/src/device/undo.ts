import type { PeerRecord } from "./changes.js";
import type { Command } from "./command.js";
import { changePeer, KEEPALIVE_S, keepaliveFor, REST_ADDRESS, renewPeer } from "./plan.js";
import type { DeviceState } from "./state.js";

/**
 * The commands that restore the peers as they were found. A peer that disappeared was removed by the user, and stays
 * removed. A keepalive that was not set here was set by the user, and stays as well.
 */
export function restorePeers(records: Readonly<Record<string, PeerRecord>>, state: DeviceState): Command[] {
  return state.peers.flatMap((peer) => {
    const before = records[peer.publicKey];
    if (before === undefined) return [];
    const { endpoint } = before;
    const isResting = peer.keepaliveS === 0 && peer.endpoint?.address === REST_ADDRESS;
    const isOurs = isResting || peer.keepaliveS === KEEPALIVE_S || peer.keepaliveS === keepaliveFor(before);
    const keepaliveS = isOurs ? before.keepaliveS : peer.keepaliveS;
    const isMoved = (peer.endpointText ?? null) !== endpoint;
    if (!isMoved && peer.keepaliveS === keepaliveS) return [];
    // WireGuard has no command that removes an endpoint.
    if (endpoint === null && isMoved) return [renewPeer(state.name, peer, { keepaliveS })];
    return [changePeer(state.name, peer.publicKey, { endpoint: endpoint ?? undefined, keepaliveS })];
  });
}
