import { ACTIVE_BYTES, ACTIVE_FOR_MS, RENEWAL_MS, SESSION_LOST_MS, SESSION_MS } from "./constants.js";
import type { Fact, PathName } from "./facts.js";

type WireGuardFact = Extract<Fact, { type: "wireguard" }>;

/** The lengths of WireGuard's two messages that make a session and carry no data. */
export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
/**
 * The maximum number of messages of each kind that are tried as an explanation. There are fewer between a switch and
 * its verdict.
 */
const MOST_MESSAGES = 6;

const NEVER = Number.NEGATIVE_INFINITY;

/** Watches WireGuard's state of a peer. All times are monotonic milliseconds. */
export class WireGuardWatch {
  /** The endpoint that WireGuard sends to. */
  endpoint: PathName | undefined;
  /** The number of all received bytes, including those before the peer was made again. */
  received = 0;
  /** When received bytes were last noticed. */
  receivedAt: number = NEVER;
  /** When data of a session was last noticed. */
  dataAt: number = NEVER;
  #handshakeAt = NEVER;
  #receivedBytes = 0;
  #sentBytes = 0;
  #activeAt = NEVER;
  #renewedAt = NEVER;
  #isKnown = false;

  /**
   * @returns whether there is a sign of life: the first look shows a session, or bytes were received since the last
   * look
   */
  look(fact: WireGuardFact, now: number): boolean {
    const isFirst = !this.#isKnown;
    const received = isFirst ? 0 : this.#growth(fact.receivedBytes, now);
    const sent = isFirst ? 0 : Math.max(0, fact.sentBytes - this.#sentBytes);
    this.#isKnown = true;
    this.received += received;
    if (received > 0) this.receivedAt = now;
    if (isData(received)) this.dataAt = now;
    if (received + sent > ACTIVE_BYTES) this.#activeAt = now;
    this.endpoint = fact.endpoint;
    this.#receivedBytes = fact.receivedBytes;
    this.#sentBytes = fact.sentBytes;
    this.#handshakeAt = fact.handshakeAt ?? NEVER;
    return this.hasSession(now) && (isFirst || received > 0);
  }

  /** Must be called before the peer is made again: its counters then start at 0, and its session is lost. */
  renew(now: number): void {
    this.#renewedAt = now;
    this.#handshakeAt = NEVER;
  }

  /** Whether there is a session that could be lost. */
  hasSession(now: number): boolean {
    return now - this.#handshakeAt < SESSION_MS;
  }

  /** Whether there is no session, and WireGuard will not make one by itself. */
  hasLostSession(now: number): boolean {
    return now - this.#handshakeAt >= SESSION_LOST_MS;
  }

  /** Whether data flows. */
  isActive(now: number): boolean {
    return now - this.#activeAt <= ACTIVE_FOR_MS;
  }

  #growth(bytes: number, now: number): number {
    const grown = bytes - this.#receivedBytes;
    if (grown < 0) return bytes;
    // The counters may have started again. Nobody knows, so the explanation that proves less is used.
    const mayBeAnew = now - this.#renewedAt <= RENEWAL_MS;
    return mayBeAnew && isData(grown) && !isData(bytes) ? bytes : grown;
  }
}

/** Whether this number of bytes is more than handshakes. Then something came out of a session, at least a keepalive. */
export function isData(bytes: number): boolean {
  for (let initiations = 0; initiations <= MOST_MESSAGES; initiations++) {
    for (let responses = 0; responses <= MOST_MESSAGES; responses++) {
      if (bytes === initiations * INITIATION_BYTES + responses * RESPONSE_BYTES) return false;
    }
  }
  return true;
}
