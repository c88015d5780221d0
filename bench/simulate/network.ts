/** How far every peer is from every broker, there and back. */
export const ROUND_TRIP_MS = 50;

/** TCP, CONNECT and SUBSCRIBE, one after the other. */
export const CONNECT_MS: number = 3 * ROUND_TRIP_MS;

/** From a peer to another through a broker: half a round trip each. */
export const PASSAGE_MS: number = ROUND_TRIP_MS;
