import { INITIATION_BYTES, RESPONSE_BYTES } from "./path/wireguard-watch.js";

/** What WireGuard shows of a peer, as far as it matters here. */
export interface Counters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** WireGuard's packet without data, bytes. */
const KEEPALIVE_BYTES = 32;
/** A handshake is tried again after this, ms. */
const RETRY_MS = 5_000;
/** Keepalives come this often, ms; two more confirm a session, or answer data. */
const KEEPALIVE_MS = 25_000;
const MORE_KEEPALIVES = 2;

/** Headers of IPv6 and UDP; what WireGuard puts around a packet, and the multiple that it fills it up to. */
const HEADER_BYTES = 48;
const AROUND_BYTES = 32;
const BLOCK_BYTES = 16;

/** What a datagram of ours costs in the tunnel, bytes, as WireGuard counts it. */
export function tunnelBytes(datagramBytes: number): number {
  return AROUND_BYTES + Math.ceil((HEADER_BYTES + datagramBytes) / BLOCK_BYTES) * BLOCK_BYTES;
}

/**
 * Since when nothing that a person or a program wanted has gone through the tunnel to one peer. WireGuard counts all its
 * bytes: what it says itself, and what we say in the tunnel, is taken off. What is as small as a few keepalives, less than
 * 65 bytes of WireGuard between two looks, may pass for these. Times are monotonic milliseconds.
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

  /** So long nothing has passed, ms. */
  idleMs(now: number): number {
    return now - this.#dataAt;
  }

  /** A datagram of ours goes through the tunnel, or has come by it. */
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
  /** Bytes of ours that it has counted, or is about to. */
  own = 0;
  #bytes: number;
  /** What of {@link own} was not counted at the last look: it may come a look later, or is lost. */
  #late = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** @returns bytes that are not ours */
  look(bytes: number): number {
    // A peer that was made anew counts from 0.
    const grown = bytes < this.#bytes ? bytes : bytes - this.#bytes;
    this.#bytes = bytes;
    const late = Math.min(this.#late, grown);
    const own = Math.min(this.own, grown - late);
    this.#late = this.own - own;
    this.own = 0;
    return grown - late - own;
  }
}

/** Whether so many bytes are what WireGuard says itself in such a time. */
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
