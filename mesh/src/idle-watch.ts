import { INITIATION_BYTES, RESPONSE_BYTES } from "./path/wireguard-watch.js";

/** The counters of a peer in WireGuard. */
export interface Counters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** The length of WireGuard's packet without data, in bytes. */
const KEEPALIVE_BYTES = 32;
/** The pause before a handshake is tried again, in ms. */
const RETRY_MS = 5_000;
/** The interval of keepalives, in ms. Two additional ones may confirm a session or answer data. */
const KEEPALIVE_MS = 25_000;
const MORE_KEEPALIVES = 2;

/**
 * The headers of IPv6 and UDP; WireGuard's own overhead of a packet; and the block size that packets are filled up to.
 */
const HEADER_BYTES = 48;
const AROUND_BYTES = 32;
const BLOCK_BYTES = 16;

/** The bytes that WireGuard counts for an own datagram in the tunnel. */
export function tunnelBytes(datagramBytes: number): number {
  return AROUND_BYTES + Math.ceil((HEADER_BYTES + datagramBytes) / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Measures since when no data of a person or a program has gone through the tunnel to one peer. WireGuard counts all
 * bytes, so the bytes of WireGuard itself and of this package are subtracted. Data as small as a few keepalives (less
 * than 65 bytes of WireGuard between two looks) may be taken for keepalives. All times are monotonic milliseconds.
 */
export class IdleWatch {
  readonly #received: Direction;
  readonly #sent: Direction;
  #lookedAt: number;
  #dataAt: number;

  constructor({ receivedBytes, sentBytes }: Counters, now: number) {
    this.#received = new Direction(receivedBytes);
    this.#sent = new Direction(sentBytes);
    this.#lookedAt = this.#dataAt = now;
  }

  /** How long no data has passed, in ms. */
  idleMs(now: number): number {
    return now - this.#dataAt;
  }

  /** Must be called when an own datagram goes through the tunnel to a peer, or has come from it. */
  pass(direction: "sent" | "received", datagramBytes: number): void {
    const counted = direction === "sent" ? this.#sent : this.#received;
    counted.own += tunnelBytes(datagramBytes);
  }

  look({ receivedBytes, sentBytes }: Counters, now: number): void {
    const elapsed = now - this.#lookedAt;
    this.#lookedAt = now;
    const unexplained = [this.#received.look(receivedBytes), this.#sent.look(sentBytes)];
    if (unexplained.some((bytes) => !isWireGuardsOwn(bytes, elapsed))) this.#dataAt = now;
  }
}

/** One of WireGuard's two counters. */
class Direction {
  /** Own bytes that WireGuard has counted or is about to count. */
  own = 0;
  #bytes: number;
  /**
   * The part of {@link own} that was not counted at the last look. These bytes may be counted at the next look, or were
   * lost.
   */
  #late = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** @returns the number of new bytes that are not own ones */
  look(bytes: number): number {
    // The counters of a peer that was made again start at 0.
    const grown = bytes < this.#bytes ? bytes : bytes - this.#bytes;
    this.#bytes = bytes;
    const late = Math.min(this.#late, grown);
    const own = Math.min(this.own, grown - late);
    this.#late = this.own - own;
    this.own = 0;
    return grown - late - own;
  }
}

/** Whether WireGuard itself can have sent this number of bytes in this time. */
function isWireGuardsOwn(bytes: number, elapsedMs: number): boolean {
  const handshakes = 1 + Math.ceil(elapsedMs / RETRY_MS);
  const keepalives = MORE_KEEPALIVES + Math.floor(elapsedMs / KEEPALIVE_MS);
  for (let initiations = 0; initiations <= handshakes; initiations++) {
    for (let responses = 0; responses <= handshakes; responses++) {
      const rest = bytes - initiations * INITIATION_BYTES - responses * RESPONSE_BYTES;
      if (rest >= 0 && rest <= keepalives * KEEPALIVE_BYTES && rest % KEEPALIVE_BYTES === 0) return true;
    }
  }
  return false;
}
