import { TieredMap } from "../base/tiered-map.js";
import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { Broker } from "../wire/broker-pool.js";

/** Everything known about one peer. */
interface Peer {
  /** The brokers where the peer answered, the latest first. */
  brokers: readonly Broker[];
  /** A running mean of the round trips of short messages, in ms. */
  roundTripMs: number | undefined;
  isOriginal: boolean | undefined;
  /** The speed of the peer's line, measured by long messages. */
  readonly speed: LineSpeed;
}

/** The number of brokers that are remembered for a peer. */
const BROKERS_PER_PEER = 3;

/** The number of remembered peers that the application contacts itself, and the same number of other peers. */
const MAX_PEERS = 1000;

/** The weight of a new round trip in the running mean, as in TCP (RFC 6298). */
const GAIN = 1 / 8;

/**
 * Remembers where peers answered and how far away they are. Every peer that writes may get an answer, and so get into
 * this memory. So the peers that the application contacts itself are kept apart, where strangers cannot push them out.
 */
export class PeerHistory {
  readonly #peers = new TieredMap<string, Peer>(MAX_PEERS);

  /** Notes that the application contacts a peer itself, and does not only answer it. */
  seek(address: string): void {
    this.#peers.set(address, this.#peerAt(address), true);
  }

  /** Whether the application has contacted the peer itself. */
  isSought(address: string): boolean {
    return this.#peers.isKnown(address);
  }

  /** The brokers where a peer answered, the latest first. */
  brokersOf(address: string): readonly Broker[] {
    return this.#peers.get(address)?.brokers ?? [];
  }

  /** A peer's mean round trip in ms, if it is known. */
  roundTripMs(address: string): number | undefined {
    return this.#peers.get(address)?.roundTripMs;
  }

  /**
   * Whether a peer acknowledges like the Python original, according to its latest ACK. The Python original sends its
   * ACKs in intervals. It sends no ACK for a message when another message of the same queue comes in the same interval.
   * It does not put messages in order. The result is undefined before the first ACK.
   */
  isOriginal(address: string): boolean | undefined {
    return this.#peers.get(address)?.isOriginal;
  }

  /** Notes the kind of an ACK that came. */
  acknowledged(address: string, isBare: boolean): void {
    this.#touch(address).isOriginal = isBare;
  }

  /**
   * Notes that a peer was found at a broker.
   * @returns whether this changes what is known
   */
  found(address: string, broker: Broker): boolean {
    const peer = this.#touch(address);
    const isOther = (other: Broker | undefined): boolean =>
      other?.host !== broker.host || other.family !== broker.family || other.port !== broker.port;
    if (!isOther(peer.brokers[0])) return false;
    peer.brokers = [broker, ...peer.brokers.filter(isOther)].slice(0, BROKERS_PER_PEER);
    return true;
  }

  /** The speed of a peer's line, if it is known; otherwise the assumed speed. */
  speedOf(address: string): LineSpeed {
    return this.#peers.get(address)?.speed ?? new LineSpeed();
  }

  /**
   * Records the round trip of a message that was published once.
   * @param bytes - the length of its packet
   */
  measured(address: string, roundTripMs: number, bytes: number): void {
    const peer = this.#touch(address);
    if (bytes >= LONG_BYTES) {
      // The round trip contains the distance and the wait behind other messages. Neither of them can be separated from
      // the time of the bytes.
      peer.speed.measured(bytes, roundTripMs);
      return;
    }
    const mean = peer.roundTripMs ?? roundTripMs;
    peer.roundTripMs = mean + (roundTripMs - mean) * GAIN;
  }

  /** Makes a peer the one that was used last. */
  #touch(address: string): Peer {
    const peer = this.#peerAt(address);
    this.#peers.set(address, peer, false);
    return peer;
  }

  #peerAt(address: string): Peer {
    return (
      this.#peers.get(address) ?? {
        brokers: [],
        roundTripMs: undefined,
        isOriginal: undefined,
        speed: new LineSpeed(),
      }
    );
  }
}
