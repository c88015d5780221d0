import { EventEmitter } from "eventemitter3";
import { platform } from "#platform";
import { abortable, throwIfAborted } from "./abort.js";
import { AddressBook, interleave } from "./address-book.js";
import { Alarm, monotonicNow, NEVER, timer } from "./alarm.js";
import { BoundedMap } from "./bounded-map.js";
import { openLink } from "./broker-link.js";
import { addressOf } from "./broker-pool.js";
import type { Delivery } from "./delivery.js";
import { SidewireError } from "./errors.js";
import type { BrokerEvent, RouterEvents } from "./events.js";
import { type BrokerHint, hintOfBroker } from "./hints.js";
import { type Identity, identityAddress, parseAddress } from "./identity.js";
import { InboundSet } from "./inbound-set.js";
import { LinkSet, type LinkSlot } from "./link-set.js";
import { Mailbox, type MessageHandler } from "./mailbox.js";
import type { InboundMessage, SendOptions } from "./message.js";
import {
  type PipeOptions,
  parsePipeOptions,
  parseRouterOptions,
  parseSignal,
  parseStartOptions,
  type RouterOptions,
  type Settings,
  type StartOptions,
} from "./options.js";
import { Outbox } from "./outbox.js";
import { PipeCache } from "./pipe-cache.js";
import { Pulse } from "./pulse.js";
import { type Accepted, type Drop, type DropReason, Receiver } from "./receiver.js";
import { check, got } from "./schema.js";
import { type PipeContext, type ProbeResult, SmartPipe } from "./smart-pipe.js";
import { brokerStats, type RouterStats } from "./statistics.js";

type Phase = "new" | "running" | "closing" | "closed";

/** How long a graceful close waits for what is in flight, ms. */
const CLOSE_GRACE_MS = 5000;

/** The pause between two `skew` events of one peer, ms. */
const SKEW_PAUSE_MS = 60_000;

/** Peers whose last `skew` event is remembered. */
const SKEW_PEERS = 1000;

const textDecoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * A peer: listens on its brokers, makes pipes to others, hands over what comes in.
 *
 * @example
 * ```ts
 * const router = new Router(Keypair.generate(), {
 *   getTime: Date.now,
 *   onMessage: (message) => console.log(message.from, message.text()),
 * });
 * await router.start();
 * const pipe = await router.pipe(address);
 * await pipe.send("hello");
 * await router.close();
 * ```
 */
export class Router extends EventEmitter<RouterEvents> implements AsyncDisposable {
  /** The own address: 66 hex characters. */
  readonly address: string;
  readonly #settings: Settings;
  readonly #links: LinkSet;
  readonly #inbound: InboundSet;
  readonly #receiver: Receiver;
  readonly #mailbox: Mailbox;
  readonly #outbox = new Outbox<Delivery>();
  readonly #book: AddressBook;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #cache = new PipeCache();
  readonly #context: PipeContext;
  readonly #outboxAlarm: Alarm = new Alarm((now) => this.#workOutbox(now));
  readonly #inboxAlarm: Alarm = new Alarm((now) => this.#receiver.expire(now));
  readonly #pulse: Pulse;
  readonly #skewTold = new BoundedMap<string, number>(SKEW_PEERS);
  readonly #dropped: Partial<Record<DropReason, number>> = {};
  /** Changes of brokers that are to be told. */
  readonly #untold: BrokerEvent[] = [];
  #received = 0;
  #duplicates = 0;
  #phase: Phase = "new";
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #keptHints = "";

  /**
   * Checks everything, connects nothing.
   * @throws {@link InvalidInputError} `INVALID_KEY`, `INVALID_OPTION`, `INVALID_POOL`;
   * {@link SidewireError} `UNSUPPORTED`
   */
  constructor(identity: Identity, options: RouterOptions) {
    super();
    this.address = identityAddress(identity);
    const settings = parseRouterOptions(options);
    check(
      !settings.requireEncryption || Boolean(identity.sharedSecret),
      "INVALID_KEY",
      "identity.sharedSecret",
      "a function, to open sealed messages",
    );
    this.#settings = settings;
    const wallNow = (): number => readClock(settings.getTime);
    this.#links = new LinkSet({
      ...settings,
      openLink,
      topic: this.address,
      familiesAreOne: platform.familiesAreOne,
      onMessage: (slot, payload, topic) => this.#receive(slot, payload, topic),
      onState: (slot) => this.#brokerChanged(slot),
    });
    this.#pulse = new Pulse(wallNow, () => this.#links.check());
    this.#book = new AddressBook(settings, (broker) => this.#links.isUsable(broker));
    this.#inbound = new InboundSet(this.#links, { ...settings, rankings: this.#book.rankings(this.address) });
    this.#mailbox = new Mailbox((error, message) => this.#report(error, message));
    if (settings.onMessage) this.#mailbox.addHandler(settings.onMessage);
    const shared = {
      address: this.address,
      identity,
      settings,
      links: this.#links,
      outbox: this.#outbox,
      wallNow,
    };
    this.#receiver = new Receiver({
      ...shared,
      isKnown: (from) => settings.accept !== undefined || this.#book.foundAt(from).length > 0,
      hasRoom: () => !this.#mailbox.isFull,
      onAccepted: (messages) => this.#handOver(messages),
      onDropped: (drop) => this.#drop(drop),
      onDuplicate: () => void this.#duplicates++,
      onSkew: (from, offsetMs) => this.#tellSkew(from, offsetMs),
      schedule: (at) => this.#inboxAlarm.set(at),
    });
    this.#context = {
      ...shared,
      book: this.#book,
      schedule: (at) => this.#outboxAlarm.set(at),
      checkOpen: () => this.#checkRunning(),
      isClosed: () => this.#phase === "closed",
      pending: this.#pending,
      waiting: this.#waiting,
    };
  }

  /**
   * Starts listening. Resolves with the first broker that works and goes on towards the full set.
   *
   * When it rejects with {@link NoBrokerError}, because no broker works, or with {@link AbortError},
   * the router still goes on trying, until {@link close}; calling it again waits again.
   *
   * @throws {@link NoBrokerError} with each broker's reason; {@link SidewireError} `CLOSED`, `ABORTED`
   */
  async start(options: StartOptions = {}): Promise<void> {
    const { signal, timeoutMs } = parseStartOptions(options);
    throwIfAborted(signal);
    this.#checkNotClosed();
    this.#starting ??= this.#begin();
    await abortable(this.#starting, signal);
    this.#checkNotClosed();
    await abortable(this.#inbound.firstOpen(monotonicNow(), timeoutMs), signal);
  }

  /**
   * A pipe to a peer, once some broker to send by is connected.
   *
   * @param destination - the peer's address, 66 hex characters
   * @throws {@link InvalidInputError} `INVALID_ADDRESS`, `INVALID_OPTION`, `INVALID_HINT`;
   * {@link NoBrokerError}; {@link SidewireError} `NOT_STARTED`, `CLOSED`, `ABORTED`
   */
  async pipe(destination: string, options: PipeOptions = {}): Promise<SmartPipe> {
    const to = parseAddress(destination, "destination");
    const { useCache, encrypt, expiryMs, hintBrokers, signal } = parsePipeOptions(
      options,
      this.#settings.encrypt,
    );
    throwIfAborted(signal);
    this.#checkRunning();
    if (!useCache) return await this.#openPipe(to, encrypt, hintBrokers, signal);
    // None of those who share it can abort it for the others.
    const make = (): Promise<SmartPipe> => this.#openPipe(to, encrypt, hintBrokers, undefined);
    const pipe = await abortable(this.#cache.take(to, encrypt, expiryMs, monotonicNow(), make), signal);
    if (hintBrokers.length > 0) pipe.hinted = this.#book.brokersOfHints(hintBrokers);
    return pipe;
  }

  /**
   * Asks whether a peer is there, through a pipe made for it.
   * @throws as {@link pipe}
   */
  async probe(destination: string, options: SendOptions & PipeOptions = {}): Promise<ProbeResult> {
    const pipe = await this.pipe(destination, options);
    try {
      return await pipe.probe(options);
    } finally {
      if (options.useCache !== true) pipe.close();
    }
  }

  /**
   * Calls a function with every message. The same function twice counts once; what it throws or
   * rejects with is reported as `handlerError`.
   * @returns a function that removes it
   */
  addMessageHandler(handler: MessageHandler): () => void {
    check(typeof handler === "function", "INVALID_OPTION", "handler", "a function");
    return this.#mailbox.addHandler(handler);
  }

  /**
   * The messages from now on, as an async iterable. Ends when the signal fires or the router is closed.
   * A reader that falls 1024 messages behind makes the router refuse more, without an ACK.
   */
  messages(options: { signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<InboundMessage> {
    return this.#mailbox.read(parseSignal(options));
  }

  /** Where this peer listens now, best first: to be given to others as `hintBrokers`. */
  hints(): BrokerHint[] {
    return interleave(this.#inbound.listening()).map(hintOfBroker);
  }

  /** What each broker did so far, and what was received and dropped. */
  stats(): RouterStats {
    return {
      brokers: this.#links.slots().map((slot) => brokerStats(slot, this.#inbound.roleOf(slot))),
      received: this.#received,
      duplicates: this.#duplicates,
      dropped: { ...this.#dropped },
      inFlight: this.#outbox.size,
    };
  }

  /**
   * Takes no more to send, lets what is in flight and the hint store end (at most 5 s), hands over what was
   * acknowledged, and leaves. Afterwards no timer, socket or listener is left. Twice is once.
   *
   * @param options - `signal`: leave at once when it fires; one that has fired already is an immediate end
   */
  async close(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const signal = parseSignal(options);
    this.#closing ??= this.#end(signal);
    await this.#closing;
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(): Promise<void> {
    this.#phase = "running";
    const kept = await this.#book.kept(this.address);
    if (this.#phase !== "running") return;
    this.#inbound.start(kept);
    this.#pulse.start();
  }

  async #openPipe(
    to: string,
    encrypt: boolean,
    hints: readonly BrokerHint[],
    signal: AbortSignal | undefined,
  ): Promise<SmartPipe> {
    await abortable(this.#book.recall(to), signal);
    this.#checkRunning();
    const hinted = this.#book.brokersOfHints(hints);
    const ranked = interleave(this.#book.rankings(to));
    const route = [...hinted, ...this.#book.foundAt(to), ...ranked];
    for (const broker of [...hinted, ...route.slice(0, this.#settings.fanOut)]) this.#links.dial(broker);
    const isOpen = (): boolean => route.some((broker) => this.#links.find(broker).state === "open");
    if (!isOpen()) {
      // A pool that is down says so at once; hinted brokers get their time.
      const since = hinted.length > 0 ? NEVER : -NEVER;
      await abortable(this.#inbound.firstOpen(since, CONNECT_PATIENCE_MS, isOpen), signal);
    }
    this.#checkRunning();
    return new SmartPipe(this.#context, to, encrypt, hinted, ranked);
  }

  async #end(signal: AbortSignal | undefined): Promise<void> {
    const wasRunning = this.#phase === "running";
    const closed = new SidewireError("CLOSED", "the router was closed");
    this.#phase = "closing";
    const { over: graceOver, stop } = timer(CLOSE_GRACE_MS);
    try {
      if (wasRunning && !signal?.aborted) {
        const drained = Promise.allSettled(this.#pending);
        await abortable(Promise.race([drained, graceOver]), signal).catch(() => {});
      }
      this.#phase = "closed";
      for (const fail of this.#waiting) fail(closed);
      for (const delivery of this.#outbox.items()) delivery.stop(closed);
      await Promise.race([
        Promise.all([this.#receiver.end(), signal?.aborted || this.#book.keeping]),
        graceOver,
      ]);
    } finally {
      stop();
      this.#mailbox.close();
      this.#inbound.close(closed);
      this.#pulse.stop();
      this.#outboxAlarm.clear();
      this.#inboxAlarm.clear();
      this.#cache.clear();
      await this.#links.close(!signal?.aborted);
    }
  }

  #receive(slot: LinkSlot, payload: Uint8Array, topic: string): void {
    if (this.#phase === "closed") return;
    // Only a caller's own function can throw in there: its clock, its `accept`.
    this.#receiver.receive(slot, payload, topic).catch((error: unknown) => this.#report(error, undefined));
  }

  #handOver(messages: readonly Accepted[]): void {
    for (const { packet, data, sealed, slot } of messages) {
      this.#received++;
      const message: InboundMessage = {
        data,
        text: () => textDecoder.decode(data),
        from: packet.source,
        queueId: packet.queueId,
        sequence: packet.sequence,
        sentAt: packet.timestamp * 1000,
        broker: addressOf(slot.broker),
        sealed,
        reply: (answer, options) => this.#reply(packet.source, slot, sealed, answer, options),
      };
      this.#mailbox.put(message, this.listenerCount("message") > 0);
      this.#emit("message", message);
    }
  }

  async #reply(
    to: string,
    slot: LinkSlot,
    sealed: boolean,
    data: string | Uint8Array,
    options?: SendOptions,
  ): Promise<number> {
    // It was there a moment ago.
    this.#book.found(to, slot.broker);
    // Who can seal can open.
    const encrypt = sealed || this.#settings.encrypt;
    const pipe = await this.pipe(to, {
      ...options,
      useCache: true,
      encrypt,
    });
    return await pipe.send(data, options);
  }

  #drop({ reason, slot, from, ageMs }: Drop): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
    if (this.listenerCount("dropped") === 0) return;
    this.#emit("dropped", {
      reason,
      broker: addressOf(slot.broker),
      from,
      ageMs,
    });
  }

  #tellSkew(from: string, offsetMs: number): void {
    const now = monotonicNow();
    const told = this.#skewTold.get(from);
    if (told !== undefined && now - told < SKEW_PAUSE_MS) return;
    this.#skewTold.set(from, now);
    this.#emit("skew", { from, offsetMs });
  }

  /** Tells of changes in their order, once the inbound set has drawn its conclusions from them. */
  #brokerChanged(slot: LinkSlot): void {
    const { broker, state, lastError } = slot;
    const count = this.#untold.push({
      broker: addressOf(broker),
      state,
      error: state === "waiting" ? lastError : undefined,
    });
    // What follows from a change is a change in its turn, and is told after it.
    if (count > 1) return;
    for (const event of this.#untold) {
      this.#inbound.changed();
      this.#keepOwn();
      this.#emit("broker", event);
    }
    this.#untold.length = 0;
  }

  /** A listener that throws must not end what called it. */
  #emit<E extends keyof RouterEvents>(event: E, ...args: Parameters<RouterEvents[E]>): void {
    try {
      // The arguments are those of this very event; the emitter's types cannot see that for a generic one.
      (this.emit as (event: E, ...args: unknown[]) => boolean)(event, ...args);
    } catch (error) {
      if (event !== "handlerError") this.#report(error, undefined);
    }
  }

  #report(error: unknown, message: InboundMessage | undefined): void {
    // A handler that was still replying when its own router was closed has not failed.
    if (this.#phase !== "running" && error instanceof SidewireError && error.code === "CLOSED") return;
    if (this.listenerCount("handlerError") === 0) console.error("sidewire: a handler failed:", error);
    this.#emit("handlerError", { error, message });
  }

  #workOutbox(now: number): number {
    for (const { item, action } of this.#outbox.due(now)) item[action]();
    return this.#outbox.nextAt();
  }

  #keepOwn(): void {
    // Those that are left at the end are no news.
    if (this.#phase !== "running") return;
    const brokers = interleave(this.#inbound.listening());
    const hints = JSON.stringify(brokers.map(addressOf));
    if (brokers.length === 0 || hints === this.#keptHints) return;
    this.#keptHints = hints;
    this.#book.keep(this.address, brokers);
  }

  #checkNotClosed(): void {
    if (this.#phase === "closing" || this.#phase === "closed") {
      throw new SidewireError("CLOSED", "the router was closed");
    }
  }

  #checkRunning(): void {
    this.#checkNotClosed();
    if (this.#phase === "new") throw new SidewireError("NOT_STARTED", "call start() first");
  }
}

/** How long `pipe` waits for the first broker, ms. */
const CONNECT_PATIENCE_MS = 10_000;

function readClock(getTime: () => number): number {
  const now = getTime();
  check(Number.isFinite(now) && now >= 0, "INVALID_OPTION", "getTime", "Unix milliseconds", got(now));
  return now;
}
