import type { Peer, Standing } from "./peer.js";

/** Strangers may have the link too; more than so many are not answered. */
export const MAX_PEERS = 8;

/** One makes room for a stranger this often at most, ms: every stranger costs connections, and a browser has 500. */
const ROOM_EVERY_MS = 3000;

/** Who makes room, in this order: strangers before those whom the user knows. */
const LEAVING: readonly Standing[] = ["asking", "gone", "waiting"];

/** Those whom the page talks to. Who is not there any more makes room for who comes. */
export class Peers {
  readonly #make: (address: string) => Peer;
  readonly #onLeave: (peer: Peer) => void;
  readonly #peers = new Map<string, Peer>();
  #roomMadeAt = Number.NEGATIVE_INFINITY;

  constructor(make: (address: string) => Peer, onLeave: (peer: Peer) => void) {
    this.#make = make;
    this.#onLeave = onLeave;
  }

  [Symbol.iterator](): Iterator<Peer> {
    return this.#peers.values();
  }

  get(address: string): Peer | undefined {
    return this.#peers.get(address);
  }

  /**
   * The peer at an address, a new one if need be; undefined when there is no room for that.
   * @param isWanted - whether it is called from here, and not a stranger that calls
   */
  admit(address: string, isWanted: boolean): Peer | undefined {
    const known = this.#peers.get(address);
    if (known !== undefined || !this.#makeRoom(isWanted)) return known;
    const peer = this.#make(address);
    this.#peers.set(address, peer);
    return peer;
  }

  #makeRoom(isWanted: boolean): boolean {
    if (this.#peers.size < MAX_PEERS) return true;
    if (!isWanted && performance.now() - this.#roomMadeAt < ROOM_EVERY_MS) return false;
    const left = LEAVING.map((standing) => [...this].find(({ phase }) => phase === standing)).find(
      (peer) => peer !== undefined,
    );
    if (left === undefined) return false;
    this.#roomMadeAt = performance.now();
    this.#peers.delete(left.address);
    this.#onLeave(left);
    return true;
  }
}
