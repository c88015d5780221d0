import { TieredMap } from "../base/tiered-map.js";
import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { Broker } from "../wire/broker-pool.js";

/** What is known of one peer. */
interface Peer {
  /** The brokers where it answered, the latest first. */
  brokers: readonly Broker[];
  /** A running mean of the round trips of short messages, ms. */
  roundTripMs: number | undefined;
  isOriginal: boolean | undefined;
  /** How fast its line is, as long messages show. */
  readonly speed: LineSpeed;
}

/** How many brokers are remembered for a peer. */
const BROKERS_PER_PEER = 3;

/** How many peers are remembered that the application sought, and how many others. */
const MAX_PEERS = 1000;

/** The weight of a new round trip in the running mean, as TCP has it (RFC 6298). */
const GAIN = 1 / 8;

/**
 * Where peers were found and how far away they are, for those used last. Whoever writes may be answered, and so become
 * one of them: those that the application sought by itself are remembered apart, where others push nobody out.
 */
export class PeerHistory {
  readonly #peers = new TieredMap<string, Peer>(MAX_PEERS);

  /** Notes that the application wants to talk to a peer, rather than answer it. */
  seek(address: string): void {
    this.#peers.set(address, this.#peerAt(address), true);
  }

  /** Whether it did. */
  isSought(address: string): boolean {
    return this.#peers.isKnown(address);
  }

  /** The brokers where a peer answered, the latest first. */
  brokersOf(address: string): readonly Broker[] {
    return this.#peers.get(address)?.brokers ?? [];
  }

  /** A peer's usual round trip in ms, once it is known. */
  roundTripMs(address: string): number | undefined {
    return this.#peers.get(address)?.roundTripMs;
  }

  /**
   * Whether a peer acknowledges as the Python original does, as far as its latest ACK tells: on a tick, no ACK for a
   * message of a queue in which another one came before the tick, and its messages in no order. Undefined while it
   * was not heard of.
   */
  isOriginal(address: string): boolean | undefined {
    return this.#peers.get(address)?.isOriginal;
  }

  /** Notes which kind of ACK came. */
  acknowledged(address: string, isBare: boolean): void {
    this.#touch(address).isOriginal = isBare;
  }

  /**
   * Notes that a peer is to be found on a broker.
   * @returns whether that is a change
   */
  found(address: string, broker: Broker): boolean {
    const peer = this.#touch(address);
    const isOther = (other: Broker | undefined): boolean =>
      other?.host !== broker.host || other.family !== broker.family || other.port !== broker.port;
    if (!isOther(peer.brokers[0])) return false;
    peer.brokers = [broker, ...peer.brokers.filter(isOther)].slice(0, BROKERS_PER_PEER);
    return true;
  }

  /** How fast a peer's line is, as far as it is known. */
  speedOf(address: string): LineSpeed {
    return this.#peers.get(address)?.speed ?? new LineSpeed();
  }

  /**
   * Notes the round trip of a message that was published once.
   * @param bytes - of its packet
   */
  measured(address: string, roundTripMs: number, bytes: number): void {
    const peer = this.#touch(address);
    if (bytes >= LONG_BYTES) {
      // The distance is in it as well; what was waited for behind other messages nobody can tell from it.
      peer.speed.measured(bytes, roundTripMs);
      return;
    }
    const mean = peer.roundTripMs ?? roundTripMs;
    peer.roundTripMs = mean + (roundTripMs - mean) * GAIN;
  }

  /** Makes it the one used last. */
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
