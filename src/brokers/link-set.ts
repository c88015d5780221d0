import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import { BrokerError } from "../base/errors.js";
import type { Family, SocketOptions } from "../platform/platform.js";
import { TRANSPORTS, type Transport } from "../platform/transports.js";
import { type Broker, portOf } from "../wire/broker-pool.js";
import type { BrokerLink, OpenLink } from "./broker-link.js";
import { LineSpeed } from "./line-speed.js";
import {
  isHinted,
  isWanted,
  type LinkSlot,
  type LinkState,
  type LinkWatcher,
  newSlot,
  type Slot,
} from "./link-slot.js";
import { ReadScheduler } from "./read-scheduler.js";
import { isSecure, type TransportPolicy, waysTo } from "./transport-choice.js";

export interface LinkSetOptions extends TransportPolicy {
  readonly openLink: OpenLink;
  readonly topic: string;
  /** In browsers a host is one broker, whatever the family. */
  readonly familiesAreOne: boolean;
  readonly nic: Partial<Record<Family, string>>;
  readonly ca: SocketOptions["ca"];
  readonly idleTimeoutMs: number;
  /** The longest payload that is of use. */
  readonly maxPayloadBytes: number;
  readonly onMessage: (slot: LinkSlot, payload: Uint8Array) => void;
  /** A payload was longer than that. */
  readonly onTooLarge: (slot: LinkSlot) => void;
  readonly onState: (slot: LinkSlot) => void;
  /** Nothing comes from the address of a broker that is dialled. */
  readonly onSilent: () => void;
}

/** How long one transport of a broker may take to connect and subscribe. */
export const CONNECT_TIMEOUT_MS = 4000;

/** Full jitter: a random pause below a bound that doubles from the first to one of the caps. */
const BACKOFF_FIRST_MS = 1000;
const BACKOFF_CAP_WORKED_MS = 60_000;
const BACKOFF_CAP_NEVER_MS = 20 * 60_000;
/** While the router cannot be reached at all, so that it is back within 10 s of its brokers. */
const BACKOFF_CAP_URGENT_MS = 5000;

/** For how long a broker that says "later" (HTTP `Retry-After`) is left alone at most. */
const MAX_RETRY_AFTER_MS = 120_000;

/** A session that lasted this long makes the failures before it forgotten. */
const PROVEN_AFTER_MS = 30_000;

/** How often idle connections are looked for, where the idle timeout is not shorter. */
const SWEEP_EVERY_MS = 60_000;

/** Connections at once to brokers that hints named and no pool has, over all pipes: hints are somebody else's word. */
const MAX_HINTED = 16;

/**
 * The sessions of one router: opens them once for everybody who wants one, dials again after a pause
 * where a broker is held or wanted, and closes those that nobody has used for long.
 */
export class LinkSet {
  readonly #options: LinkSetOptions;
  readonly #slots = new Map<string, Slot>();
  /** They are looked for often. */
  readonly #ids = new WeakMap<Broker, string>();
  readonly #retry: Alarm = new Alarm((now) => this.#redial(now));
  readonly #sweep: Alarm = new Alarm((now) => this.#closeIdle(now));
  /** Of the line that all links share. */
  readonly speed: LineSpeed = new LineSpeed();
  readonly #scheduler = new ReadScheduler();
  readonly #sweepEveryMs: number;
  /** Sessions that are saying goodbye. */
  readonly #leaving = new Set<Promise<void>>();
  #urgent = false;
  #closed = false;

  constructor(options: LinkSetOptions) {
    this.#options = options;
    this.#sweepEveryMs = Math.min(SWEEP_EVERY_MS, options.idleTimeoutMs);
  }

  /** The brokers that have been dialled. */
  slots(): readonly LinkSlot[] {
    return [...this.#slots.values()].filter((slot) => slot.dialledAt > -NEVER);
  }

  /** Whether a broker speaks a transport that may be used. */
  isUsable(broker: Broker): boolean {
    return this.#options.transports.some((transport) => portOf(broker, transport) !== undefined);
  }

  /**
   * While true, no broker waits longer than a few seconds for its next try: the router cannot be
   * reached at all.
   */
  set urgent(urgent: boolean) {
    if (urgent === this.#urgent) return;
    this.#urgent = urgent;
    if (!urgent) return;
    const latest = monotonicNow() + Math.random() * BACKOFF_CAP_URGENT_MS;
    for (const slot of this.#slots.values()) {
      if (slot.state !== "waiting") continue;
      slot.retryAt = Math.max(Math.min(slot.retryAt, latest), this.#mayBeTriedAt(slot));
      if (isWanted(slot)) this.#retry.set(slot.retryAt);
    }
  }

  /** The slot of a broker, which may have been dialled or not. */
  find(broker: Broker): LinkSlot {
    return this.#find(broker);
  }

  /** Dials a broker unless it is connected, connecting or waiting for its next try. */
  dial(broker: Broker): LinkSlot {
    const slot = this.#find(broker);
    const now = monotonicNow();
    if (this.#closed) return slot;
    if (slot.state === "idle" || (slot.state === "waiting" && slot.retryAt <= now))
      void this.#connect(slot, now);
    return slot;
  }

  /**
   * Dials a broker and tells the watcher, now and whenever it is connected again, until the returned
   * function is called. A broker that is waiting is dialled when its time has come.
   */
  want(broker: Broker, watcher: LinkWatcher): () => void {
    const slot = this.#find(broker);
    slot.watchers.add(watcher);
    if (slot.state === "open") watcher.opened?.(slot);
    else this.#keepDialling(slot);
    return () => slot.watchers.delete(watcher);
  }

  /** Keeps a broker connected, whatever happens to it, until {@link release}. */
  hold(broker: Broker, holder: unknown): LinkSlot {
    const slot = this.#find(broker);
    slot.holders.add(holder);
    if (slot.state !== "open") this.#keepDialling(slot);
    return slot;
  }

  /** Ends a {@link hold}; the connection stays until it is idle. */
  release(broker: Broker, holder: unknown): void {
    this.#find(broker).holders.delete(holder);
  }

  /**
   * Publishes over an open slot, if it can take it. Does not look at the rate.
   * @param onLeft - as of {@link BrokerLink.publish}
   */
  publish(slot: LinkSlot, topic: string, payload: Uint8Array, now: number, onLeft?: () => void): boolean {
    const onRead = (): void => {
      slot.sizes.read();
      onLeft?.();
    };
    if (slot.link?.publish(topic, payload, onRead) !== true) return false;
    slot.sizes.published(payload.length);
    slot.traffic.sent++;
    const own = this.#slots.get(slot.id);
    if (own) own.lastUse = now;
    return true;
  }

  /** Whether a long message is coming in by one of them. */
  get isReceiving(): boolean {
    for (const { link } of this.#slots.values()) if (link?.isReceiving) return true;
    return false;
  }

  /** Asks every connected broker for a sign of life: the machine may have slept, the network may be another. */
  check(): void {
    for (const { link } of this.#slots.values()) link?.check();
  }

  /** Closes the sessions that nobody wants now; resolves with how many, when they are gone. */
  async closeUnwanted(): Promise<number> {
    let closed = 0;
    for (const slot of this.#slots.values()) {
      if (slot.state !== "open" || isWanted(slot)) continue;
      this.#hangUp(slot, true);
      closed++;
    }
    await Promise.all(this.#leaving);
    return closed;
  }

  /** Closes every session and starts none any more. */
  async close(graceful: boolean): Promise<void> {
    this.#closed = true;
    this.#retry.clear();
    this.#sweep.clear();
    for (const slot of this.#slots.values()) {
      slot.watchers.clear();
      slot.holders.clear();
      slot.dialling?.abort();
      this.#hangUp(slot, graceful);
    }
    await Promise.all(this.#leaving);
  }

  #hangUp(slot: Slot, graceful: boolean): void {
    const { link } = slot;
    this.#setState(slot, "idle", undefined);
    if (!link) return;
    const left = link.close(graceful).finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  #find(broker: Broker): Slot {
    const id = this.#idOf(broker);
    let slot = this.#slots.get(id);
    if (!slot) {
      slot = newSlot(id, broker);
      this.#slots.set(id, slot);
    }
    return slot;
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

  #keepDialling(slot: Slot): void {
    this.dial(slot.broker);
    if (slot.state === "waiting") this.#retry.set(slot.retryAt);
  }

  /** Whether one more may be dialled; of brokers that hints named, the one that is not used for longest makes room. */
  #hasRoomFor(slot: Slot): boolean {
    if (!isHinted(slot)) return true;
    const used = [...this.#slots.values()].filter(
      (other) => isHinted(other) && (other.state === "open" || other.state === "connecting"),
    );
    if (used.length < MAX_HINTED) return true;
    const [oldest] = used
      .filter((other) => other.state === "open" && !isWanted(other))
      .sort((a, b) => a.lastUse - b.lastUse);
    if (oldest) this.#hangUp(oldest, true);
    return oldest !== undefined;
  }

  async #connect(slot: Slot, now: number): Promise<void> {
    if (!this.#hasRoomFor(slot)) {
      this.#lost(slot, new BrokerError("unreachable", `${MAX_HINTED} hinted brokers are in use already`));
      return;
    }
    const controller = new AbortController();
    slot.dialling = controller;
    slot.dialledAt = now;
    slot.isSilent = false;
    slot.heardAt = -NEVER;
    this.#setState(slot, "connecting", undefined);
    const error = await this.#openFirst(slot, controller.signal);
    slot.dialling = undefined;
    if (error && !this.#closed) this.#lost(slot, error);
  }

  /** Tries the ways to a broker one after the other; the first that works is the link. */
  async #openFirst(slot: Slot, signal: AbortSignal): Promise<BrokerError | undefined> {
    const { broker } = slot;
    const { topic, nic, ca, transports, allowInsecure } = this.#options;
    const ways = waysTo(broker, this.#options);
    const failures = new Map<Transport, BrokerError>();
    let failure = slot.lastError ?? noWay(broker, transports);
    let mayBeInsecure = true;
    for (const way of new Set([...ways.filter(({ transport }) => transport === slot.transport), ...ways])) {
      if (!mayBeInsecure && !isSecure(way)) continue;
      const { transport, port } = way;
      if (pausedUntil(slot, transport) > monotonicNow()) continue;
      const { family, host } = broker;
      let ended: BrokerError | undefined;
      try {
        const link: BrokerLink = await this.#options.openLink(
          {
            broker,
            target: {
              transport,
              family,
              host,
              port,
              path: broker.path ?? "/mqtt",
              localAddress: nic[family],
              publicOnly: broker.publicOnly === true,
              turn: slot.failures,
              ca,
            },
            topic,
            connectTimeoutMs: CONNECT_TIMEOUT_MS,
            maxPayloadBytes: this.#options.maxPayloadBytes,
            speed: this.speed,
            scheduler: this.#scheduler,
            onReach: (isAnswering) => {
              slot.isSilent = !isAnswering;
              if (isAnswering) slot.heardAt = monotonicNow();
              else this.#options.onSilent();
            },
            onMessage: (payload) => this.#options.onMessage(slot, payload),
            onTooLarge: () => this.#options.onTooLarge(slot),
            onClose: (error) => {
              ended = error;
              if (slot.state === "open" && slot.link === link) this.#lost(slot, error);
            },
          },
          signal,
        );
        if (signal.aborted) {
          await link.close(false);
          return undefined;
        }
        // It may be over before anybody knew of it.
        if (ended !== undefined) throw ended;
        slot.transport = transport;
        this.#opened(slot, link);
        return undefined;
      } catch (error) {
        if (signal.aborted) return undefined;
        const reason =
          error instanceof BrokerError
            ? error
            : new BrokerError("unreachable", String(error), { cause: error });
        // It may have worked before, and come before what is preferred.
        if (reason.reason === "tls") mayBeInsecure = allowInsecure;
        const pauseMs = Math.min(reason.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
        slot.pauses.set(transport, monotonicNow() + pauseMs);
        failures.set(transport, reason);
        failure = together(failures, reason);
        // To be told of while the next way is tried.
        slot.lastError = failure;
      }
    }
    return failure;
  }

  #opened(slot: Slot, link: BrokerLink): void {
    const now = monotonicNow();
    slot.link = link;
    slot.worked = true;
    slot.openedAt = now;
    slot.lastUse = now;
    this.#sweep.set(now + this.#sweepEveryMs);
    this.#setState(slot, "open", undefined);
    for (const watcher of [...slot.watchers]) watcher.opened?.(slot);
  }

  #lost(slot: Slot, error: BrokerError): void {
    const now = monotonicNow();
    slot.sizes.ended(now);
    if (slot.state === "open" && now - slot.openedAt >= PROVEN_AFTER_MS) slot.failures = 0;
    slot.link = undefined;
    slot.failures++;
    slot.failedAt = now;
    const usualCap = slot.worked ? BACKOFF_CAP_WORKED_MS : BACKOFF_CAP_NEVER_MS;
    const cap = this.#urgent ? BACKOFF_CAP_URGENT_MS : usualCap;
    const pauseMs = Math.random() * Math.min(cap, BACKOFF_FIRST_MS * 2 ** (slot.failures - 1));
    slot.retryAt = Math.max(now + pauseMs, this.#mayBeTriedAt(slot));
    this.#setState(slot, "waiting", error);
    for (const watcher of [...slot.watchers]) watcher.failed?.(slot, error);
    if (isWanted(slot)) this.#retry.set(slot.retryAt);
  }

  /** When the broker has not asked to be left alone at one of its transports any more. */
  #mayBeTriedAt(slot: Slot): number {
    const ways = waysTo(slot.broker, this.#options);
    return ways.length === 0 ? 0 : Math.min(...ways.map(({ transport }) => pausedUntil(slot, transport)));
  }

  #setState(slot: Slot, state: LinkState, error: BrokerError | undefined): void {
    if (slot.state === state) return;
    slot.state = state;
    if (state !== "open") slot.link = undefined;
    if (error || state === "open") slot.lastError = error;
    this.#options.onState(slot);
  }

  #redial(now: number): number {
    let next = NEVER;
    for (const slot of this.#slots.values()) {
      if (slot.state !== "waiting" || !isWanted(slot)) continue;
      if (slot.retryAt <= now) void this.#connect(slot, now);
      else next = Math.min(next, slot.retryAt);
    }
    return next;
  }

  #closeIdle(now: number): number {
    for (const slot of this.#slots.values()) {
      if (isWanted(slot)) continue;
      if (slot.state === "open" && now - slot.lastUse >= this.#options.idleTimeoutMs) {
        this.#hangUp(slot, true);
      }
      // What was never used again since it failed is forgotten with its pause.
      const done =
        slot.state === "idle" ||
        (slot.state === "waiting" && now - slot.retryAt >= this.#options.idleTimeoutMs);
      if (done) this.#slots.delete(slot.id);
    }
    return this.#slots.size === 0 ? NEVER : now + this.#sweepEveryMs;
  }
}

function pausedUntil({ pauses }: Slot, transport: Transport): number {
  return pauses.get(transport) ?? 0;
}

/** Why there is no way to a broker at all. */
function noWay(broker: Broker, transports: readonly Transport[]): BrokerError {
  const hasOne = transports.some((transport) => portOf(broker, transport) !== undefined);
  const problem = hasOne
    ? "its login goes over TLS alone, and no transport with TLS may be used"
    : "no transport in common";
  return new BrokerError("transport", `${problem} (${transports.join(", ")})`);
}

/** What became of every transport that was tried. */
function together(failures: ReadonlyMap<Transport, BrokerError>, last: BrokerError): BrokerError {
  if (failures.size === 1) return last;
  const each = [...failures].map(([transport, { message }]) => `${transport}: ${message}`);
  const { returnCode, httpStatus } = last;
  return new BrokerError(last.reason, each.join("; "), { cause: last, returnCode, httpStatus });
}

/** Whether a hint named it, and no pool has it. */
