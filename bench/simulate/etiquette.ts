import { sum } from "./statistics.js";

/** The protocol's keep-alive. */
const KEEP_ALIVE_S = 10;

/** TCP and IPv4 headers with timestamps. */
const HEADER_BYTES = 52;

/** PINGREQ and PINGRESP, two bytes each, and the acknowledgement of the second. */
const KEEP_ALIVE_BYTES: number = sum([HEADER_BYTES + 2, HEADER_BYTES + 2, HEADER_BYTES]);

/** What peers that listen and say nothing cost. */
export interface Idle {
  readonly connectionsPerPeer: number;
  readonly connectionsPerBroker: number;
  readonly pingsPerBrokerAndSecond: number;
  readonly megabytesPerPeerAndDay: number;
}

/** @param listened - on how many brokers each peer listens */
export function idleCost(peers: number, poolSize: number, listened: number): Idle {
  const connectionsPerPeer = Math.min(listened, poolSize);
  const connectionsPerBroker = (peers * connectionsPerPeer) / poolSize;
  return {
    connectionsPerPeer,
    connectionsPerBroker,
    pingsPerBrokerAndSecond: connectionsPerBroker / KEEP_ALIVE_S,
    megabytesPerPeerAndDay: (connectionsPerPeer * KEEP_ALIVE_BYTES * 86_400) / KEEP_ALIVE_S / 1e6,
  };
}
