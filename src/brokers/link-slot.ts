import { NEVER } from "../base/alarm.js";
import type { BrokerError } from "../base/errors.js";
import type { Broker } from "../wire/broker-pool.js";
import type { KnownBroker, LinkState } from "./known-broker.js";
import type { BrokerLink } from "./link.js";
import type { SizeLimit } from "./size-limit.js";
import type { Subscriber } from "./subscriptions.js";
import type { TokenBucket } from "./token-bucket.js";

/** Functions that are called for one broker while the broker is wanted. */
export interface LinkWatcher {
  /** The broker is connected. Called at once if the broker is connected already. */
  opened?(slot: LinkSlot): void;
  /** An attempt failed, or the connection ended. */
  failed?(slot: LinkSlot, error: BrokerError): void;
}

/** One broker as one address sees it. "open" means that the broker has granted the subscription of this address. */
export interface LinkSlot {
  readonly id: string;
  readonly broker: Broker;
  readonly state: LinkState;
  readonly link: BrokerLink | undefined;
  readonly bucket: TokenBucket;
  /** The longest packet that the broker accepts. */
  readonly sizes: SizeLimit;
  /** Why the last attempt, session or subscription ended. */
  readonly lastError: BrokerError | undefined;
  /** Failed attempts since the broker last worked for a while. */
  readonly failures: number;
  /** The time of the last failure; -Infinity before the first failure. */
  readonly failedAt: number;
  /** When the broker is tried again, if this address wants it. Only valid while waiting. */
  readonly retryAt: number;
  /** When the current attempt began. */
  readonly dialledAt: number;
  /**
   * Whether the broker's address has not answered yet, although an address on this machine would have answered by now.
   */
  readonly isSilent: boolean;
  /** When the broker's address last answered in the current attempt; -Infinity before any answer. */
  readonly heardAt: number;
  /** When this slot was opened. Only valid while open. */
  readonly openedAt: number;
  readonly traffic: LinkTraffic;
}

/** The traffic of this address over a broker so far. */
export interface LinkTraffic {
  /** Publishes, including ACKs. */
  sent: number;
  /** Messages whose ACK came by this broker. */
  acknowledged: number;
  /** The latest round trip to a peer by this broker, in ms. */
  roundTripMs: number | undefined;
}

/** The functions and limits of an address for its brokers. */
export interface LinkSetOptions {
  readonly topic: string;
  /** The longest useful payload, in bytes. */
  readonly maxPayloadBytes: number;
  readonly onMessage: (slot: LinkSlot, payload: Uint8Array) => void;
  /** Called for a payload that was longer than `maxPayloadBytes`. */
  readonly onTooLarge: (slot: LinkSlot) => void;
  readonly onState: (slot: LinkSlot) => void;
  /** Called when the address of a broker that is being dialled stays silent. */
  readonly onSilent: () => void;
}

/** The address that a slot belongs to. */
export interface SlotOwner {
  readonly options: LinkSetOptions;
  /** True while the address cannot be reached by any broker. */
  readonly urgent: boolean;
  /** Called when the broker has granted or refused the topic. */
  answered(slot: Slot): void;
  /** Called when the slot was not used for a long time. */
  forget(slot: Slot): void;
}

/**
 * The relation between an address and a broker:
 * - none: the address does not use the broker
 * - lapsed: the broker was lost while the address did not want it
 * - asking: the topic is to be subscribed
 * - granted, refused: the broker's answer for the topic
 */
export type Membership = "none" | "lapsed" | "asking" | "granted" | "refused";

/** The broker refused an address's topic. */
export interface Refusal {
  readonly error: BrokerError;
  /** How often in a row the topic was refused. */
  readonly count: number;
  /** When the topic was refused, and when it is asked for again. */
  at: number;
  askAgainAt: number;
}

const NOBODY: readonly unknown[] = [];

/** The slot as the connections see it: they may change its state. */
export class Slot implements LinkSlot, Subscriber {
  readonly known: KnownBroker<Slot>;
  readonly #owner: SlotOwner;
  /** Created when needed: an address on many brokers has many slots, and most of them have no watchers. */
  #watchers: Set<LinkWatcher> | undefined;
  /** A few entries at most. A held broker is dialled again after a loss, and is never left because it is idle. */
  #holders: readonly unknown[] = NOBODY;
  readonly traffic: LinkTraffic = { sent: 0, acknowledged: 0, roundTripMs: undefined };
  membership: Membership = "none";
  openedAt = 0;
  /** When something was last sent, or the slot was opened. */
  lastUse = 0;
  /** When this address last asked for the broker. */
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

  /** Adds a watcher. Returns the function that removes it. */
  watch(watcher: LinkWatcher): () => void {
    this.#watchers ??= new Set();
    this.#watchers.add(watcher);
    return () => this.#watchers?.delete(watcher);
  }

  /** Removes all watchers and holders. */
  drop(): void {
    this.#watchers = undefined;
    this.#holders = NOBODY;
  }

  /** Whether this address ever asked for the broker. */
  get isTried(): boolean {
    return this.#askedAt > -NEVER;
  }

  /** Whether this address takes part in the session. */
  get isMember(): boolean {
    return this.membership !== "none" && this.membership !== "lapsed";
  }

  /** Notes that the topic is to be subscribed. */
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

  /** Tells the address about the slot's state, if the state has changed. */
  changed(): void {
    const { state } = this;
    if (state === this.#told) return;
    this.#told = state;
    this.#owner.options.onState(this);
  }

  /** Tells the watchers that the slot is open. */
  tellOpened(): void {
    for (const watcher of [...(this.#watchers ?? [])]) watcher.opened?.(this);
  }

  /** Tells the watchers that the slot has failed. */
  tellFailed(error: BrokerError): void {
    for (const watcher of [...(this.#watchers ?? [])]) watcher.failed?.(this, error);
  }

  /** Forgets a slot that was not used for a long time. */
  forget(): void {
    this.known.users.delete(this);
    this.#owner.forget(this);
  }
}
