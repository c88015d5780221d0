import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import { check } from "../base/schema.js";
import { TRANSPORTS } from "../platform/transports.js";
import { type Broker, portOf } from "../wire/broker-pool.js";
import { backOffMs, URGENT_MS } from "./back-off.js";
import { type DialOptions, dialBroker, mayBeTriedAt } from "./dialling.js";
import { type KnownBroker, type LinkState, newBroker } from "./known-broker.js";
import { LineSpeed } from "./line-speed.js";
import type { BrokerLink } from "./link.js";
import type { Slot } from "./link-slot.js";
import { ReadScheduler } from "./read-scheduler.js";
import { SleepDetector } from "./sleep-detector.js";

export interface ConnectionsOptions extends DialOptions {
  /** In browsers a host is one broker, whatever the family. */
  readonly familiesAreOne: boolean;
  readonly idleTimeoutMs: number;
  /** The wall clock, ms; may throw. */
  readonly wallNow: () => number;
}

/** A session that lasted this long makes the failures before it forgotten. */
const PROVEN_AFTER_MS = 30_000;

/** How often idle connections are looked for, where the idle timeout is not shorter. */
const SWEEP_EVERY_MS = 60_000;

/** Connections at once to brokers that hints named and no pool has, over all pipes: hints are somebody else's word. */
const MAX_HINTED = 16;

type Known = KnownBroker<Slot>;

/** Closes an address; when the signal fires, at once. */
type Close = (signal: AbortSignal | undefined) => Promise<void>;

/**
 * The sessions with brokers, of one address or of several: opens each once for everybody who wants it, dials again
 * after a pause where somebody does, and ends those that nobody is left for.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #brokers = new Map<string, Known>();
  /** Those in rankings. */
  readonly #ranked = new Map<string, Broker>();
  /** They are looked for often. */
  readonly #ids = new WeakMap<Broker, string>();
  /** The addresses on these connections, and what closes each. */
  readonly #addresses = new Map<string, Close>();
  #owner: string | undefined;
  readonly #retry: Alarm = new Alarm((now) => this.#tryAgain(now));
  readonly #sweep: Alarm = new Alarm((now) => this.#closeIdle(now));
  readonly #sleepDetector: SleepDetector;
  /** Of the line that all sessions share. */
  readonly speed: LineSpeed = new LineSpeed();
  readonly #scheduler = new ReadScheduler();
  readonly #sweepEveryMs: number;
  /** Sessions that are saying goodbye. */
  readonly #leaving = new Set<Promise<void>>();
  /** How often the machine has woken from sleep, or from an earlier state of it. */
  wakes = 0;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#sweepEveryMs = Math.min(SWEEP_EVERY_MS, options.idleTimeoutMs);
    this.#sleepDetector = new SleepDetector(options.wallNow, () => {
      this.wakes++;
      // The machine may have slept, the network may be another.
      for (const { link } of this.#brokers.values()) link?.check();
    });
  }

  /** Some address is used from now on. */
  start(): void {
    this.#sleepDetector.start();
  }

  /**
   * Makes an address one of these connections. The first one owns them.
   * @param close - ends it
   * @throws {@link InvalidInputError} `INVALID_KEY`: each is there once
   */
  enter(address: string, close: Close): void {
    const isNew = !this.#addresses.has(address);
    check(isNew, "INVALID_KEY", "identity", "one that no router on these connections has");
    this.#owner ??= address;
    this.#addresses.set(address, close);
  }

  /** Where this address owns the connections, closes all others. */
  async closeOthers(address: string, signal: AbortSignal | undefined): Promise<void> {
    if (address !== this.#owner) return;
    const others = [...this.#addresses].filter(([other]) => other !== address);
    await Promise.all(others.map(([, close]) => close(signal)));
  }

  /** An address has ended; where it owns the connections, they do, too. */
  async exit(address: string, graceful: boolean): Promise<void> {
    this.#addresses.delete(address);
    if (address === this.#owner) await this.close(graceful);
  }

  /** Whether a broker speaks a transport that may be used. */
  isUsable(broker: Broker): boolean {
    return this.#options.transports.some((transport) => portOf(broker, transport) !== undefined);
  }

  /** The same broker as one object for all addresses, which each have a ranking of their own. */
  same(broker: Broker): Broker {
    const id = this.#idOf(broker);
    const same = this.#ranked.get(id) ?? broker;
    this.#ranked.set(id, same);
    return same;
  }

  /** What is known of a broker, which may have been dialled or not. */
  find(broker: Broker): Known {
    const id = this.#idOf(broker);
    const known = this.#brokers.get(id) ?? newBroker(id, broker);
    this.#brokers.set(id, known);
    return known;
  }

  /** Asks for an address's topic, and dials for it, unless that is under way, done, or has to wait. */
  dial(slot: Slot): void {
    if (this.#closed) return;
    const { known } = slot;
    const now = monotonicNow();
    if (!slot.isMember || (slot.membership === "refused" && slot.retryAt <= now)) {
      slot.ask(now);
      known.link?.subscribe(slot);
    }
    if (known.state === "idle" || (known.state === "waiting" && known.retryAt <= now))
      void this.#connect(known, now);
    slot.changed();
  }

  /** As {@link dial}, and again when its time has come, as long as it is wanted. */
  keepDialling(slot: Slot): void {
    this.dial(slot);
    if (slot.state !== "waiting") return;
    if (slot.isUrgent && slot.retryAt > monotonicNow() + URGENT_MS) this.hurry([slot]);
    else this.#retry.set(slot.retryAt);
  }

  /** Lets none of an address's brokers wait for longer than a few seconds. */
  hurry(slots: Iterable<Slot>): void {
    const latest = monotonicNow() + Math.random() * URGENT_MS;
    for (const slot of slots) {
      if (slot.state !== "waiting") continue;
      const { known } = slot;
      known.retryAt = Math.max(Math.min(known.retryAt, latest), mayBeTriedAt(known, this.#options));
      if (slot.refusal) slot.refusal.askAgainAt = Math.min(slot.refusal.askAgainAt, latest);
      if (slot.isWanted) this.#retry.set(slot.retryAt);
    }
  }

  /** An address is gone from a broker. The session ends with the last of them. */
  leave(slot: Slot, graceful: boolean): void {
    if (slot.membership === "none") return;
    const { known } = slot;
    slot.membership = "none";
    if (![...known.users].some(({ isMember }) => isMember)) this.#hangUp(known, graceful);
    else known.link?.unsubscribe(slot);
    slot.changed();
  }

  /** The broker has granted an address's topic, or has not. */
  answered(slot: Slot): void {
    // Those who are there from the beginning are told when the session is.
    if (slot.known.state === "open") this.#settle(slot, monotonicNow());
  }

  /**
   * The network is another one. Sessions that leave by an address which is gone are over at once, the others are asked
   * for a sign of life, and nobody waits for a next try.
   */
  networkChanged(): void {
    const now = monotonicNow();
    this.wakes++;
    for (const known of [...this.#brokers.values()]) {
      known.link?.check();
      known.failures = 0;
      if (known.state === "waiting") known.retryAt = Math.max(now, mayBeTriedAt(known, this.#options));
      if (known.state !== "connecting") continue;
      known.dialling?.abort();
      void this.#connect(known, now);
    }
    this.#retry.set(now);
  }

  /** Resolves when the sessions are gone that were ended. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  /** Closes every session and starts none any more. */
  async close(graceful: boolean): Promise<void> {
    this.#closed = true;
    this.#retry.clear();
    this.#sweep.clear();
    this.#sleepDetector.stop();
    for (const known of this.#brokers.values()) this.#hangUp(known, graceful);
    await this.left();
  }

  #hangUp(known: Known, graceful: boolean): void {
    const { link } = known;
    known.dialling?.abort();
    known.dialling = undefined;
    for (const slot of known.users) slot.membership = "none";
    this.#setState(known, "idle", undefined);
    if (!link) return;
    const left = link.close(graceful).finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  #idOf(broker: Broker): string {
    let id = this.#ids.get(broker);
    if (id === undefined) {
      const { family, host } = broker;
      // Ports tell apart what hints name on one host; a pool has each host once.
      const ports = Object.values(TRANSPORTS).map(({ portField }) => broker[portField]);
      id = `${this.#options.familiesAreOne ? "" : family} ${host} ${ports.join()}`;
      this.#ids.set(broker, id);
    }
    return id;
  }

  /** Whether one more may be dialled; of brokers that hints named, the one that is not used for longest makes room. */
  #hasRoomFor(known: Known): boolean {
    if (!isHinted(known)) return true;
    const used = [...this.#brokers.values()].filter(
      (other) => isHinted(other) && (other.state === "open" || other.state === "connecting"),
    );
    if (used.length < MAX_HINTED) return true;
    const [oldest] = used
      .filter((other) => other.state === "open" && !isWanted(other))
      .sort((a, b) => lastUseOf(a) - lastUseOf(b));
    if (oldest) this.#hangUp(oldest, true);
    return oldest !== undefined;
  }

  async #connect(known: Known, now: number): Promise<void> {
    if (!this.#hasRoomFor(known)) {
      this.#lost(known, new BrokerError("unreachable", `${MAX_HINTED} hinted brokers are in use already`));
      return;
    }
    const controller = new AbortController();
    known.dialling = controller;
    known.dialledAt = now;
    known.isSilent = false;
    known.heardAt = -NEVER;
    this.#setState(known, "connecting", undefined);
    const { signal } = controller;
    let link: BrokerLink | undefined;
    let first: readonly Slot[] = [];
    const uses = {
      subscribers: () => {
        first = membersOf(known);
        for (const slot of first) slot.membership = "asking";
        return first;
      },
      speed: this.speed,
      scheduler: this.#scheduler,
      onReach: (isAnswering: boolean) => {
        known.isSilent = !isAnswering;
        if (isAnswering) known.heardAt = monotonicNow();
        else for (const slot of [...known.users]) slot.onSilent();
      },
      onClose: (error: BrokerError) => {
        if (known.link !== undefined && known.link === link) this.#lost(known, error);
      },
    };
    try {
      link = await dialBroker(known, this.#options, uses, signal);
      if (signal.aborted) return await link.close(false);
      known.dialling = undefined;
      this.#opened(known, link, first);
    } catch (error) {
      if (signal.aborted) return;
      known.dialling = undefined;
      // What comes out of it is nothing else.
      this.#lost(known, error as BrokerError);
    }
  }

  /** @param first - whom it was opened for */
  #opened(known: Known, link: BrokerLink, first: readonly Slot[]): void {
    const now = monotonicNow();
    known.link = link;
    known.worked = true;
    known.openedAt = now;
    this.#sweep.set(now + this.#sweepEveryMs);
    known.state = "open";
    known.lastError = undefined;
    // Some may have come or gone meanwhile.
    for (const slot of first) if (!slot.isMember) link.unsubscribe(slot);
    for (const slot of [...known.users]) {
      if (known.link !== link) return;
      if (slot.membership === "asking") link.subscribe(slot);
      else if (slot.isMember) this.#settle(slot, now);
    }
  }

  /** What an address's topic came to. */
  #settle(slot: Slot, now: number): void {
    const { refusal } = slot;
    if (refusal) {
      refusal.at = now;
      refusal.askAgainAt = now + backOffMs(refusal.count, slot.openedAt > 0, slot.isUrgent);
      if (slot.isWanted) this.#retry.set(refusal.askAgainAt);
      slot.changed();
      slot.tellFailed(refusal.error);
    } else {
      slot.openedAt = now;
      slot.lastUse = now;
      slot.changed();
      slot.tellOpened();
    }
  }

  #lost(known: Known, error: BrokerError): void {
    const now = monotonicNow();
    known.sizes.ended(now);
    if (known.state === "open" && now - known.openedAt >= PROVEN_AFTER_MS) known.failures = 0;
    known.failures++;
    known.failedAt = now;
    const members = membersOf(known);
    const isUrgent = members.some((slot) => slot.isUrgent);
    known.retryAt = Math.max(
      now + backOffMs(known.failures, known.worked, isUrgent),
      mayBeTriedAt(known, this.#options),
    );
    for (const slot of members) {
      slot.membership = slot.isWanted ? "asking" : "lapsed";
      slot.refusal = undefined;
    }
    this.#setState(known, "waiting", error);
    for (const slot of members) slot.tellFailed(error);
    if (isWanted(known)) this.#retry.set(known.retryAt);
  }

  #setState(known: Known, state: LinkState, error: BrokerError | undefined): void {
    known.state = state;
    if (state !== "open") known.link = undefined;
    if (error || state === "open") known.lastError = error;
    for (const slot of [...known.users]) slot.changed();
  }

  #tryAgain(now: number): number {
    let next = NEVER;
    for (const known of this.#brokers.values()) {
      for (const slot of [...known.users]) {
        if (slot.state !== "waiting" || !slot.isWanted) continue;
        if (slot.retryAt <= now) this.dial(slot);
        else next = Math.min(next, slot.retryAt);
      }
    }
    return next;
  }

  #closeIdle(now: number): number {
    const { idleTimeoutMs } = this.#options;
    for (const known of this.#brokers.values()) {
      for (const slot of [...known.users]) {
        if (slot.isWanted) continue;
        if (slot.state === "open" && now - slot.lastUse >= idleTimeoutMs) this.leave(slot, true);
        // What was never used again since it failed is forgotten with its pause.
        const isOver = slot.state === "waiting" && now - slot.retryAt >= idleTimeoutMs;
        if (isOver) this.leave(slot, true);
        if (slot.state === "idle") slot.forget();
      }
      if (known.users.size === 0) this.#brokers.delete(known.id);
    }
    return this.#brokers.size === 0 ? NEVER : now + this.#sweepEveryMs;
  }
}

function membersOf({ users }: Known): Slot[] {
  return [...users].filter(({ isMember }) => isMember);
}

function isWanted({ users }: Known): boolean {
  return [...users].some((slot) => slot.isWanted);
}

function lastUseOf({ users }: Known): number {
  return Math.max(...[...users].map(({ lastUse }) => lastUse));
}

function isHinted({ broker }: Known): boolean {
  return broker.publicOnly !== undefined;
}
