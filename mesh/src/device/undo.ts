import type { PeerRecord } from "./changes.js";
import type { Command } from "./command.js";
import { changePeer, KEEPALIVE_S, keepaliveFor, REST_ADDRESS, renewPeer } from "./plan.js";
import type { DeviceState } from "./state.js";

/**
 * Puts the peers back as they were found. One that is not there any more was removed by the user, and stays so; a
 * keepalive that is not ours was set by the user, and stays, too.
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
    // WireGuard has no command that takes an endpoint away.
    if (endpoint === null && isMoved) return [renewPeer(state.name, peer, { keepaliveS })];
    return [changePeer(state.name, peer.publicKey, { endpoint: endpoint ?? undefined, keepaliveS })];
  });
}
