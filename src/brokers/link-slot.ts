import { NEVER } from "../base/alarm.js";
import type { BrokerError } from "../base/errors.js";
import type { Broker } from "../wire/broker-pool.js";
import type { KnownBroker, LinkState } from "./known-broker.js";
import type { BrokerLink } from "./link.js";
import type { SizeLimit } from "./size-limit.js";
import type { Subscriber } from "./subscriptions.js";
import type { TokenBucket } from "./token-bucket.js";

/** Told about one broker, as long as it is wanted. */
export interface LinkWatcher {
  /** It is connected; called at once where it already is. */
  opened?(slot: LinkSlot): void;
  /** An attempt failed, or the connection ended. */
  failed?(slot: LinkSlot, error: BrokerError): void;
}

/** One broker as one address sees it: open is one that has granted its subscription. */
export interface LinkSlot {
  readonly id: string;
  readonly broker: Broker;
  readonly state: LinkState;
  readonly link: BrokerLink | undefined;
  readonly bucket: TokenBucket;
  /** The longest packet that it takes. */
  readonly sizes: SizeLimit;
  /** Why the last attempt, session or subscription ended. */
  readonly lastError: BrokerError | undefined;
  /** Failed attempts since it last worked for a while. */
  readonly failures: number;
  /** When that was; never, as -Infinity. */
  readonly failedAt: number;
  /** When it is tried again, if this address wants it; meaningful while waiting. */
  readonly retryAt: number;
  /** When the present attempt began. */
  readonly dialledAt: number;
  /** Whether nothing has come from its address, though one on this machine would have answered. */
  readonly isSilent: boolean;
  /** When it was last heard of in the present attempt; never, as -Infinity. */
  readonly heardAt: number;
  /** Since when it is open; meaningful while it is. */
  readonly openedAt: number;
  readonly traffic: LinkTraffic;
}

/** What went over a broker so far. */
export interface LinkTraffic {
  /** Publishes, ACKs included. */
  sent: number;
  /** Messages whose ACK came by it. */
  acknowledged: number;
  /** The latest round trip to a peer through it, ms. */
  roundTripMs: number | undefined;
}

/** What an address is told of its brokers. */
export interface LinkSetOptions {
  readonly topic: string;
  /** The longest payload that is of use. */
  readonly maxPayloadBytes: number;
  readonly onMessage: (slot: LinkSlot, payload: Uint8Array) => void;
  /** A payload was longer than that. */
  readonly onTooLarge: (slot: LinkSlot) => void;
  readonly onState: (slot: LinkSlot) => void;
  /** Nothing comes from the address of a broker that is dialled. */
  readonly onSilent: () => void;
}

/** The address that a slot belongs to. */
export interface SlotOwner {
  readonly options: LinkSetOptions;
  /** While true, nobody listens for it anywhere. */
  readonly urgent: boolean;
  /** The broker has granted its topic, or has not. */
  answered(slot: Slot): void;
  /** Nobody has used it for long. */
  forget(slot: Slot): void;
}

/**
 * What an address has to do with a broker: nothing, or it was lost when nobody wanted it; else its topic is to be
 * asked for, was granted or was refused.
 */
export type Membership = "none" | "lapsed" | "asking" | "granted" | "refused";

/** An address's topic was refused. */
export interface Refusal {
  readonly error: BrokerError;
  /** How often in a row. */
  readonly count: number;
  /** When, and when it is asked for again. */
  at: number;
  askAgainAt: number;
}

const NOBODY: readonly unknown[] = [];

/** The slot, as who looks after the connections may change it. */
export class Slot implements LinkSlot, Subscriber {
  readonly known: KnownBroker<Slot>;
  readonly #owner: SlotOwner;
  /** Where nothing is sent there are none: an address on many brokers has many slots. */
  #watchers: Set<LinkWatcher> | undefined;
  /** A few at most. Held brokers are redialled and never left for idleness. */
  #holders: readonly unknown[] = NOBODY;
  readonly traffic: LinkTraffic = { sent: 0, acknowledged: 0, roundTripMs: undefined };
  membership: Membership = "none";
  openedAt = 0;
  /** When something was last sent, or it was opened. */
  lastUse = 0;
  /** When this address asked for it. */
  #askedAt = -NEVER;
  refusal: Refusal | undefined;
  #told: LinkState = "idle";

  constructor(known: KnownBroker<Slot>, owner: SlotOwner) {
    this.known = known;
    this.#owner = owner;
  }

  get id(): string {
    return this.known.id;
  }

  get broker(): Broker {
    return this.known.broker;
  }

  get state(): LinkState {
    const { state } = this.known;
    switch (this.membership) {
      case "none":
        return "idle";
      case "lapsed":
        return state === "waiting" ? state : "idle";
      case "refused":
        return state === "open" ? "waiting" : state;
      case "asking":
        return state === "open" ? "connecting" : state;
      default:
        return state;
    }
  }

  get link(): BrokerLink | undefined {
    return this.state === "open" ? this.known.link : undefined;
  }

  get bucket(): TokenBucket {
    return this.known.bucket;
  }

  get sizes(): SizeLimit {
    return this.known.sizes;
  }

  get lastError(): BrokerError | undefined {
    return this.refusal?.error ?? this.known.lastError;
  }

  get failures(): number {
    return this.known.failures + (this.refusal?.count ?? 0);
  }

  get failedAt(): number {
    return Math.max(this.known.failedAt, this.refusal?.at ?? -NEVER);
  }

  get retryAt(): number {
    return this.known.state === "open" ? (this.refusal?.askAgainAt ?? 0) : this.known.retryAt;
  }

  get dialledAt(): number {
    return this.known.state === "connecting" ? this.known.dialledAt : this.#askedAt;
  }

  get isSilent(): boolean {
    return this.known.isSilent;
  }

  get heardAt(): number {
    return this.known.heardAt;
  }

  get topic(): string {
    return this.#owner.options.topic;
  }

  get maxPayloadBytes(): number {
    return this.#owner.options.maxPayloadBytes;
  }

  get isUrgent(): boolean {
    return this.#owner.urgent;
  }

  get isWanted(): boolean {
    return this.#holders.length > 0 || (this.#watchers?.size ?? 0) > 0;
  }

  hold(holder: unknown): void {
    if (!this.#holders.includes(holder)) this.#holders = [...this.#holders, holder];
  }

  release(holder: unknown): void {
    this.#holders = this.#holders.filter((other) => other !== holder);
  }

  /** Returns what ends it. */
  watch(watcher: LinkWatcher): () => void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
    return () => this.#watchers?.delete(watcher);
  }

  /** Nobody wants it any more. */
  drop(): void {
    this.#watchers = undefined;
    this.#holders = NOBODY;
  }

  /** Whether it was ever asked for. */
  get isTried(): boolean {
    return this.#askedAt > -NEVER;
  }

  /** Whether the session is there for this address, too. */
  get isMember(): boolean {
    return this.membership !== "none" && this.membership !== "lapsed";
  }

  /** Its topic is to be asked for. */
  ask(now: number): void {
    this.membership = "asking";
    this.#askedAt = now;
  }

  onMessage(payload: Uint8Array): void {
    if (this.membership === "granted" || this.membership === "asking")
      this.#owner.options.onMessage(this, payload);
  }

  onTooLarge(): void {
    if (this.isMember) this.#owner.options.onTooLarge(this);
  }

  onAnswer(error: BrokerError | undefined): void {
    if (!this.isMember) return;
    this.membership = error ? "refused" : "granted";
    const count = (this.refusal?.count ?? 0) + 1;
    this.refusal = error && { error, count, at: -NEVER, askAgainAt: NEVER };
    this.#owner.answered(this);
  }

  onSilent(): void {
    this.#owner.options.onSilent();
  }

  /** Tells the address, if it sees another state. */
  changed(): void {
    const { state } = this;
    if (state === this.#told) return;
    this.#told = state;
    this.#owner.options.onState(this);
  }

  /** Tells those who want it that it is open. */
  tellOpened(): void {
    for (const watcher of [...(this.#watchers ?? [])]) watcher.opened?.(this);
  }

  /** Tells them that it is not. */
  tellFailed(error: BrokerError): void {
    for (const watcher of [...(this.#watchers ?? [])]) watcher.failed?.(this, error);
  }

  /** Nobody has used it for long. */
  forget(): void {
    this.known.users.delete(this);
    this.#owner.forget(this);
  }
}
