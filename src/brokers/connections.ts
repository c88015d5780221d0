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
  /** In browsers one host is one broker, whatever the family. */
  readonly familiesAreOne: boolean;
  readonly idleTimeoutMs: number;
  /** The wall clock, in ms; may throw. */
  readonly wallNow: () => number;
}

/** A session that lasted at least this long sets the broker's failures back to zero. */
const PROVEN_AFTER_MS = 30_000;

/** How often idle connections are looked for. The interval is shorter if the idle timeout is shorter. */
const SWEEP_EVERY_MS = 60_000;

/**
 * The maximum number of simultaneous connections to brokers that are in no pool, over all pipes. Such brokers come from
 * hints, and strangers may write hints.
 */
const MAX_HINTED = 16;

type Known = KnownBroker<Slot>;

/** Closes an address. When the signal fires, the address closes at once. */
type Close = (signal: AbortSignal | undefined) => Promise<void>;

/**
 * The sessions with brokers, for one address or several. Each broker has at most one session, which all addresses
 * share. A lost session is dialled again after a pause, as long as an address wants it. A session that no address uses
 * is ended.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #brokers = new Map<string, Known>();
  /** One object for each broker of the rankings. */
  readonly #ranked = new Map<string, Broker>();
  /** The ids are kept because they are needed often. */
  readonly #ids = new WeakMap<Broker, string>();
  /** The addresses on these connections, each with the function that closes it. */
  readonly #addresses = new Map<string, Close>();
  #owner: string | undefined;
  readonly #retry: Alarm = new Alarm((now) => this.#tryAgain(now));
  readonly #sweep: Alarm = new Alarm((now) => this.#closeIdle(now));
  readonly #sleepDetector: SleepDetector;
  /** The speed of this machine's line, which all sessions share. */
  readonly speed: LineSpeed = new LineSpeed();
  readonly #scheduler = new ReadScheduler();
  readonly #sweepEveryMs: number;
  /** Sessions that are being closed gracefully. */
  readonly #leaving = new Set<Promise<void>>();
  /** How often the machine has woken from sleep, was restored from a snapshot, or has changed its network. */
  wakes = 0;
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#sweepEveryMs = Math.min(SWEEP_EVERY_MS, options.idleTimeoutMs);
    this.#sleepDetector = new SleepDetector(options.wallNow, () => {
      this.wakes++;
      // After sleep, connections may be dead and the network may be another one.
      for (const { link } of this.#brokers.values()) link?.check();
    });
  }

  /** Must be called when an address starts. */
  start(): void {
    this.#sleepDetector.start();
  }

  /**
   * Adds an address to these connections. The first address owns the connections.
   * @param close - closes the address
   * @throws {@link InvalidInputError} `INVALID_KEY` when the address was added before
   */
  enter(address: string, close: Close): void {
    const isNew = !this.#addresses.has(address);
    check(isNew, "INVALID_KEY", "identity", "one that no router on these connections has");
    this.#owner ??= address;
    this.#addresses.set(address, close);
  }

  /** If this address owns the connections, closes all other addresses. */
  async closeOthers(address: string, signal: AbortSignal | undefined): Promise<void> {
    if (address !== this.#owner) return;
    const others = [...this.#addresses].filter(([other]) => other !== address);
    await Promise.all(others.map(([, close]) => close(signal)));
  }

  /** Removes an address that has ended. If the address owns the connections, closes them, too. */
  async exit(address: string, graceful: boolean): Promise<void> {
    this.#addresses.delete(address);
    if (address === this.#owner) await this.close(graceful);
  }

  /** Whether the broker offers a transport that may be used. */
  isUsable(broker: Broker): boolean {
    return this.#options.transports.some((transport) => portOf(broker, transport) !== undefined);
  }

  /**
   * Returns one shared object for a broker. Each address has a ranking of its own, so equal brokers would otherwise be
   * stored once for each address.
   */
  same(broker: Broker): Broker {
    const id = this.#idOf(broker);
    const same = this.#ranked.get(id) ?? broker;
    this.#ranked.set(id, same);
    return same;
  }

  /** The state of a broker, whether it was dialled or not. */
  find(broker: Broker): Known {
    const id = this.#idOf(broker);
    const known = this.#brokers.get(id) ?? newBroker(id, broker);
    this.#brokers.set(id, known);
    return known;
  }

  /**
   * Subscribes to the address's topic at the broker, and dials the broker if necessary. Does nothing while the broker
   * is connecting or waiting, or when the topic is granted.
   */
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

  /** As {@link dial}. Dials again after each pause, as long as the address wants the broker. */
  keepDialling(slot: Slot): void {
    this.dial(slot);
    if (slot.state !== "waiting") return;
    if (slot.isUrgent && slot.retryAt > monotonicNow() + URGENT_MS) this.hurry([slot]);
    else this.#retry.set(slot.retryAt);
  }

  /** Limits the wait of an address's brokers to a few seconds. */
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

  /** Unsubscribes an address at a broker. The session ends when the last address leaves. */
  leave(slot: Slot, graceful: boolean): void {
    if (slot.membership === "none") return;
    const { known } = slot;
    slot.membership = "none";
    if (![...known.users].some(({ isMember }) => isMember)) this.#hangUp(known, graceful);
    else known.link?.unsubscribe(slot);
    slot.changed();
  }

  /** Must be called when the broker has granted or refused an address's topic. */
  answered(slot: Slot): void {
    // The first subscribers of a new session are told later, when the session is returned.
    if (slot.known.state === "open") this.#settle(slot, monotonicNow());
  }

  /**
   * Must be called when the network has changed. A session whose local address is gone ends at once. The other sessions
   * are checked by a ping. No broker waits for its next try any longer.
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

  /** Resolves when the sessions that are being closed have ended. */
  async left(): Promise<void> {
    await Promise.all(this.#leaving);
  }

  /** Closes every session, and opens none afterwards. */
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
      // The ports distinguish hinted brokers on the same host. A pool contains each host only once.
      const ports = Object.values(TRANSPORTS).map(({ portField }) => broker[portField]);
      id = `${this.#options.familiesAreOne ? "" : family} ${host} ${ports.join()}`;
      this.#ids.set(broker, id);
    }
    return id;
  }

  /**
   * Whether one more broker may be dialled. When there are too many hinted brokers, the one that was unused for the
   * longest time is closed to make room.
   */
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
      // `dialBroker` rejects with nothing else unless the signal has fired, so the cast is safe.
      this.#lost(known, error as BrokerError);
    }
  }

  /** @param first - the addresses whose topics were in the first SUBSCRIBE */
  #opened(known: Known, link: BrokerLink, first: readonly Slot[]): void {
    const now = monotonicNow();
    known.link = link;
    known.worked = true;
    known.openedAt = now;
    this.#sweep.set(now + this.#sweepEveryMs);
    known.state = "open";
    known.lastError = undefined;
    // Addresses may have come or gone while the session was being opened.
    for (const slot of first) if (!slot.isMember) link.unsubscribe(slot);
    for (const slot of [...known.users]) {
      if (known.link !== link) return;
      if (slot.membership === "asking") link.subscribe(slot);
      else if (slot.isMember) this.#settle(slot, now);
    }
  }

  /** Handles the broker's answer for an address's topic. */
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
        // A broker that failed, and was not wanted again for the idle timeout, is forgotten together with its pause.
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
