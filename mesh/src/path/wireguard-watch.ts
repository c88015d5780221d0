import { ACTIVE_BYTES, ACTIVE_FOR_MS, RENEWAL_MS, SESSION_LOST_MS, SESSION_MS } from "./constants.js";
import type { Fact, PathName } from "./facts.js";

type WireGuardFact = Extract<Fact, { type: "wireguard" }>;

/** Bytes of WireGuard's two messages that make a session and carry no data. */
export const INITIATION_BYTES = 148;
export const RESPONSE_BYTES = 92;
/** So many of each are tried as an explanation: more than there can be between a switch and its verdict. */
const MOST_MESSAGES = 6;

const NEVER = Number.NEGATIVE_INFINITY;

/** What WireGuard shows of a peer, looked at again and again. Times are monotonic milliseconds. */
export class WireGuardWatch {
  /** Where it sends. */
  endpoint: PathName | undefined;
  /** All that was received, also before the peer was made anew, bytes. */
  received = 0;
  /** When it was seen that something had been received. */
  receivedAt: number = NEVER;
  /** When it was seen that a session had carried something. */
  dataAt: number = NEVER;
  #handshakeAt = NEVER;
  #receivedBytes = 0;
  #sentBytes = 0;
  #activeAt = NEVER;
  #renewedAt = NEVER;
  #isKnown = false;

  /** @returns whether there is a sign of life: the first look shows a session, or something was received since */
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

  /** The peer is about to be made anew: its counters begin again at 0, and its session is gone. */
  renew(now: number): void {
    this.#renewedAt = now;
    this.#handshakeAt = NEVER;
  }

  /** There is a session that could be lost. */
  hasSession(now: number): boolean {
    return now - this.#handshakeAt < SESSION_MS;
  }

  /** There is no session, and WireGuard does not get one by itself. */
  hasLostSession(now: number): boolean {
    return now - this.#handshakeAt >= SESSION_LOST_MS;
  }

  /** Data flows. */
  isActive(now: number): boolean {
    return now - this.#activeAt <= ACTIVE_FOR_MS;
  }

  #growth(bytes: number, now: number): number {
    const grown = bytes - this.#receivedBytes;
    if (grown < 0) return bytes;
    // The counters may or may not have begun again: what proves least is believed.
    const mayBeAnew = now - this.#renewedAt <= RENEWAL_MS;
    return mayBeAnew && isData(grown) && !isData(bytes) ? bytes : grown;
  }
}

/** Whether so many bytes are more than handshakes: something came out of a session, if only a keepalive. */
export function isData(bytes: number): boolean {
  for (let initiations = 0; initiations <= MOST_MESSAGES; initiations++) {
    for (let responses = 0; responses <= MOST_MESSAGES; responses++) {
      if (bytes === initiations * INITIATION_BYTES + responses * RESPONSE_BYTES) return false;
    }
  }
  return true;
}
