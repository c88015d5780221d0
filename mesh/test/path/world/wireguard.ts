/** A message of WireGuard, as far as a path machine can tell. */
export type Message =
  | { readonly type: "initiation"; readonly id: number }
  | { readonly type: "response"; readonly id: number; readonly session: number }
  | { readonly type: "data"; readonly session: number; readonly bytes: number; readonly isPing: boolean };

interface Keys {
  readonly session: number;
  readonly at: number;
  readonly isInitiator: boolean;
}

/** The timers of WireGuard, ms. */
const REKEY_TIMEOUT_MS = 5_000;
const REKEY_ATTEMPTS_MS = 90_000;
const REKEY_AFTER_MS = 120_000;
const REKEY_LATE_MS = 165_000;
const REJECT_AFTER_MS = 180_000;
const KEEPALIVE_MS = 25_000;
const UNANSWERED_MS = 15_000;

/**
 * WireGuard towards one peer: it roams, retries a handshake after 5 s, and loses its own when it consumes another
 * that crosses it.
 */
export class WireGuard {
  endpoint: string | undefined;
  /** It saw a later time in an initiation than those have that come now, and refuses them until the peer is made anew. */
  refusesInitiations = false;
  receivedBytes = 0;
  sentBytes = 0;
  handshakeAt: number | undefined;
  readonly #random: () => number;
  readonly #transmit: (to: string, message: Message) => void;
  #keys: Keys | undefined;
  /** Packets under these may still be on their way. */
  #previous: Keys | undefined;
  /** As the responder: not confirmed yet. */
  #next: Keys | undefined;
  #pending: { id: number; at: number; since: number; isLost: boolean } | undefined;
  #hasKeepalive = false;
  /** When an authentic packet last went or came: both put the keepalive off. */
  #passedAt = 0;
  #unansweredSince: number | undefined;
  #ids: number;

  constructor(seed: number, random: () => number, transmit: (to: string, message: Message) => void) {
    this.#ids = seed * 1_000_000;
    this.#random = random;
    this.#transmit = transmit;
  }

  use(endpoint: string, isFresh: boolean, now: number): void {
    if (isFresh) {
      this.#keys =
        this.#previous =
        this.#next =
        this.#pending =
        this.handshakeAt =
        this.#unansweredSince =
          undefined;
      this.receivedBytes = this.sentBytes = 0;
      this.refusesInitiations = false;
    }
    this.endpoint = endpoint;
    this.#hasKeepalive = true;
    this.send(0, false, now);
  }

  /** Sends data, or starts a handshake for it. */
  send(bytes: number, isPing: boolean, now: number): void {
    if (this.endpoint === undefined) return;
    const keys = this.#live(now);
    if (keys === undefined || (keys.isInitiator && now - keys.at > REKEY_AFTER_MS)) this.#initiate(now);
    if (keys === undefined) return;
    if (bytes > 0) this.#unansweredSince ??= now;
    this.#emit({ type: "data", session: keys.session, bytes: bytes + 32, isPing }, now);
  }

  /** @returns whether it was a ping, which is to be answered */
  receive(message: Message, from: string, now: number): boolean {
    const before = this.receivedBytes;
    const isPing = this.#receive(message, from, now);
    if (this.receivedBytes !== before) this.#passedAt = now;
    return isPing;
  }

  #receive(message: Message, from: string, now: number): boolean {
    if (message.type === "initiation") {
      if (this.refusesInitiations) return false;
      if (this.#pending !== undefined) this.#pending.isLost = true;
      this.#accept(148, from);
      this.#next = { session: ++this.#ids, at: now, isInitiator: false };
      this.#emit({ type: "response", id: message.id, session: this.#next.session }, now);
      return false;
    }
    if (message.type === "response") {
      if (this.#pending?.id !== message.id || this.#pending.isLost) return false;
      this.#pending = undefined;
      this.#previous = this.#keys;
      this.#keys = { session: message.session, at: now, isInitiator: true };
      this.handshakeAt = now;
      this.#accept(92, from);
      this.#unansweredSince = undefined;
      this.#emit({ type: "data", session: message.session, bytes: 32, isPing: false }, now);
      return false;
    }
    if (this.#next?.session === message.session) {
      this.#previous = this.#keys;
      this.#keys = this.#next;
      this.#next = undefined;
      this.#pending = undefined;
      this.handshakeAt = now;
    }
    if (!this.#understands(message.session, now)) return false;
    this.#accept(message.bytes, from);
    this.#unansweredSince = undefined;
    if (this.#keys?.isInitiator && now - this.#keys.at > REKEY_LATE_MS) this.#initiate(now);
    return message.isPing;
  }

  /** Time has passed. */
  tick(now: number): void {
    if (this.#pending !== undefined && now >= this.#pending.at + REKEY_TIMEOUT_MS) {
      if (now - this.#pending.since > REKEY_ATTEMPTS_MS) this.#pending = undefined;
      else this.#retry(now);
    }
    if (this.#hasKeepalive && now >= this.#passedAt + KEEPALIVE_MS) {
      this.#passedAt = now;
      this.send(0, false, now);
    }
    if (this.#unansweredSince !== undefined && now >= this.#unansweredSince + UNANSWERED_MS) {
      this.#unansweredSince = undefined;
      this.#initiate(now);
    }
  }

  nextAt(): number {
    const times = [Number.POSITIVE_INFINITY];
    if (this.#pending !== undefined) times.push(this.#pending.at + REKEY_TIMEOUT_MS);
    if (this.#hasKeepalive) times.push(this.#passedAt + KEEPALIVE_MS);
    if (this.#unansweredSince !== undefined) times.push(this.#unansweredSince + UNANSWERED_MS);
    return Math.min(...times);
  }

  /** Data can be sent and is understood by the other, if it gets there. */
  sharesSessionWith(other: WireGuard, now: number): boolean {
    const session = this.#live(now)?.session;
    return session !== undefined && (session === other.#next?.session || other.#understands(session, now));
  }

  #understands(session: number, now: number): boolean {
    return [this.#keys, this.#previous].some(
      (keys) => keys?.session === session && now - keys.at < REJECT_AFTER_MS,
    );
  }

  #live(now: number): Keys | undefined {
    return this.#keys !== undefined && now - this.#keys.at < REJECT_AFTER_MS ? this.#keys : undefined;
  }

  #initiate(now: number): void {
    if (this.#pending !== undefined) return;
    this.#pending = { id: ++this.#ids, at: now, since: now, isLost: false };
    this.#emit({ type: "initiation", id: this.#pending.id }, now);
  }

  #retry(now: number): void {
    if (this.#pending === undefined) return;
    this.#pending = {
      id: ++this.#ids,
      at: now + this.#random() * 334,
      since: this.#pending.since,
      isLost: false,
    };
    this.#emit({ type: "initiation", id: this.#pending.id }, now);
  }

  #accept(bytes: number, from: string): void {
    this.receivedBytes += bytes;
    this.endpoint = from;
  }

  #emit(message: Message, now: number): void {
    if (this.endpoint === undefined) return;
    this.sentBytes += message.type === "data" ? message.bytes : message.type === "initiation" ? 148 : 92;
    this.#passedAt = now;
    this.#transmit(this.endpoint, message);
  }
}
