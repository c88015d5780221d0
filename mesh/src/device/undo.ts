import type { PeerRecord } from "./changes.js";
import type { Command } from "./command.js";
import { changePeer, renewPeer } from "./plan.js";
import type { DeviceState } from "./state.js";

/**
 * Puts the peers back as they were. One that is not there any more was removed by the user, and stays so.
 * @param records - after what others changed was noted in them
 */
export function restorePeers(records: Readonly<Record<string, PeerRecord>>, state: DeviceState): Command[] {
  return state.peers.flatMap((peer) => {
    const before = records[peer.publicKey]?.before;
    if (before === undefined) return [];
    const { endpoint, keepaliveS } = before;
    const isMoved = (peer.endpointText ?? null) !== endpoint;
    if (!isMoved && peer.keepaliveS === keepaliveS) return [];
    // WireGuard has no command that takes an endpoint away.
    if (endpoint === null && isMoved) return [renewPeer(state.name, peer, { keepaliveS })];
    return [changePeer(state.name, peer.publicKey, { endpoint: endpoint ?? undefined, keepaliveS })];
  });
}
