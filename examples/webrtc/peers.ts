import type { Peer } from "./peer.js";

/** Strangers may have the link too; more than so many are not answered. */
export const MAX_PEERS = 8;

/** Those whom the page talks to. Who is not there any more makes room for who comes. */
export class Peers {
  readonly #make: (address: string) => Peer;
  readonly #onLeave: (peer: Peer) => void;
  readonly #peers = new Map<string, Peer>();

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

  /** The peer at an address, a new one if need be; undefined when there is no room for that. */
  admit(address: string): Peer | undefined {
    const known = this.#peers.get(address);
    if (known !== undefined || !this.#makeRoom()) return known;
    const peer = this.#make(address);
    this.#peers.set(address, peer);
    return peer;
  }

  #makeRoom(): boolean {
    if (this.#peers.size < MAX_PEERS) return true;
    const left =
      [...this].find(({ phase }) => phase === "gone") ?? [...this].find(({ phase }) => phase === "waiting");
    if (left === undefined) return false;
    this.#peers.delete(left.address);
    this.#onLeave(left);
    return true;
  }
}
