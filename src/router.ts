import { platform } from "#platform";
import { abortable, throwIfAborted } from "./base/abort.js";
import { Alarm, monotonicNow, timer } from "./base/alarm.js";
import { Emitter, type Listener } from "./base/emitter.js";
import { SidewireError } from "./base/errors.js";
import { closedError, Lifecycle } from "./base/lifecycle.js";
import { check, got, isRecord } from "./base/schema.js";
import { readClock } from "./base/wall-clock.js";
import { openLink } from "./brokers/broker-link.js";
import { Connections } from "./brokers/connections.js";
import { type BrokerHint, hintOfBroker } from "./brokers/hints.js";
import { InboundSet } from "./brokers/inbound-set.js";
import { LinkSet } from "./brokers/link-set.js";
import type { LinkSlot } from "./brokers/link-slot.js";
import type { RouterEvents } from "./events.js";
import type { InboundMessage, SendOptions } from "./message.js";
import {
  type PipeOptions,
  type PipeSettings,
  parsePipeOptions,
  parseProbeOptions,
  parseRouterOptions,
  parseSignal,
  parseStartOptions,
  type RouterOptions,
  type Settings,
  type StartOptions,
  type Wait,
} from "./options.js";
import { inboundMessage } from "./receiving/inbound-message.js";
import { Mailbox, type MessageHandler } from "./receiving/mailbox.js";
import { type Accepted, Receiver } from "./receiving/receiver.js";
import { Reporter } from "./reporter.js";
import type { Delivery } from "./sending/delivery.js";
import { Outbox } from "./sending/outbox.js";
import type { PipeContext } from "./sending/pipe-context.js";
import { Pipes } from "./sending/pipes.js";
import { interleave, RoutingTable } from "./sending/routing-table.js";
import type { ProbeResult, SmartPipe } from "./sending/smart-pipe.js";
import { brokerStats, type RouterStats } from "./statistics.js";
import { addressOf } from "./wire/broker-pool.js";
import { type Identity, identityAddress, parseAddress } from "./wire/identity.js";
import { PACKET_OVERHEAD } from "./wire/packet.js";
import { sealedLength } from "./wire/seal.js";

/** How long a graceful close waits for what is in flight, ms. */
const CLOSE_GRACE_MS = 5000;

/** How much of that the signatures of the last ACKs may take, ms. */
const LAST_ACKS_MS = 1000;

/** How long an immediate one waits for them, ms: as long as a busy machine takes to sign. */
const LAST_MOMENT_MS = 100;

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
 * await pipe.deliver("hello");
 * await router.close();
 * ```
 */
export class Router extends Emitter<RouterEvents> implements AsyncDisposable {
  /** The own address: 66 hex characters. */
  readonly address: string;
  readonly #settings: Settings;
  /** Its own, or those of the router that it is over. */
  readonly #connections: Connections;
  readonly #links: LinkSet;
  readonly #inbound: InboundSet;
  readonly #receiver: Receiver;
  readonly #mailbox: Mailbox;
  readonly #outbox = new Outbox<Delivery>();
  readonly #routes: RoutingTable;
  readonly #lifecycle = new Lifecycle();
  readonly #reporter: Reporter = new Reporter(this, this.#lifecycle);
  readonly #pipes: Pipes;
  readonly #outboxAlarm: Alarm = new Alarm((now) => {
    for (const { item, action } of this.#outbox.due(now)) item[action]();
    return this.#outbox.nextAt();
  });
  readonly #inboxAlarm: Alarm = new Alarm((now) => this.#receiver.expire(now));
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #keptHints = "";

  /**
   * Checks everything, connects nothing.
   * @throws {@link InvalidInputError} `INVALID_KEY`, `INVALID_OPTION`, `INVALID_POOL`;
   * {@link SidewireError} `UNSUPPORTED`; `CLOSED` where that is what it is put over
   */
  constructor(identity: Identity, options: RouterOptions) {
    super();
    this.address = identityAddress(identity);
    const over = Router.#over(options);
    const settings = parseRouterOptions(options, over ? over.#settings : undefined);
    check(
      !settings.requireEncryption || Boolean(identity.sharedSecret),
      "INVALID_KEY",
      "identity.sharedSecret",
      "a function, to open sealed messages",
    );
    this.#settings = settings;
    const wallNow = (): number => readClock(settings.getTime);
    this.#connections = over
      ? over.#connections
      : new Connections({ ...settings, openLink, familiesAreOne: platform.familiesAreOne, wallNow });
    this.#connections.enter(this.address, (signal) => this.close({ signal }));
    this.#links = new LinkSet(this.#connections, {
      topic: this.address,
      maxPayloadBytes: PACKET_OVERHEAD + sealedLength(settings.maxMessageBytes),
      onMessage: (slot, payload) => this.#receive(slot, payload),
      onTooLarge: (slot) =>
        this.#reporter.dropped({ reason: "too-large", from: undefined, ageMs: undefined, slot }),
      onState: (slot) => this.#reporter.brokerChanged(slot, () => this.#conclude()),
      onSilent: () => this.#inbound.changed(),
    });
    this.#routes = new RoutingTable(settings, (broker) => this.#connections.isUsable(broker));
    const { inboundBrokers, reserveBrokers } = settings;
    const rankings = this.#routes.rankings(this.address);
    this.#inbound = new InboundSet(this.#links, { inboundBrokers, reserveBrokers, rankings });
    this.#mailbox = new Mailbox(
      { present: () => this.registered("message"), emit: (message) => this.emit("message", message) },
      (error, message) => this.#reporter.failed(error, message),
    );
    if (settings.onMessage) this.#mailbox.addHandler(settings.onMessage);
    const [address, links, outbox] = [this.address, this.#links, this.#outbox];
    const isKnown = (from: string): boolean =>
      settings.accept !== undefined || this.#routes.foundAt(from).length > 0;
    this.#receiver = new Receiver({
      address,
      identity,
      settings,
      links,
      outbox,
      wallNow,
      isKnown,
      hasRoom: (from) => !this.#mailbox.isFullFor(from, isKnown),
      onAccepted: (messages) => this.#handOver(messages),
      onDropped: (drop) => this.#reporter.dropped(drop),
      onDuplicate: () => this.#reporter.duplicate(),
      onSkew: (from, offsetMs) => this.#reporter.skew(from, offsetMs),
      onFailed: (name, error) => this.#reporter.failedAgain(name, error),
      schedule: (at) => this.#inboxAlarm.set(at),
    });
    const context: PipeContext = {
      address,
      identity,
      settings,
      links,
      outbox,
      wallNow,
      routes: this.#routes,
      schedule: (at) => this.#outboxAlarm.set(at),
      lifecycle: this.#lifecycle,
      wakes: () => this.#connections.wakes,
      addHandler: (from, handler) => this.#mailbox.addHandlerOf(from, handler),
    };
    this.#pipes = new Pipes(context, this.#inbound);
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
    this.#lifecycle.checkNotClosed();
    this.#starting ??= this.#begin();
    await abortable(this.#starting, signal);
    this.#lifecycle.checkNotClosed();
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
    const settings = parsePipeOptions(options, this.#settings.encrypt);
    throwIfAborted(settings.signal);
    this.#lifecycle.checkRunning();
    this.#routes.seek(to);
    return await this.#pipes.take(to, settings);
  }

  /**
   * Asks whether a peer is there, through a pipe made for it.
   * @throws as {@link pipe}
   */
  async probe(destination: string, options: SendOptions & PipeOptions = {}): Promise<ProbeResult> {
    const to = parseAddress(destination, "destination");
    const settings = parseProbeOptions(options, this.#settings.encrypt);
    throwIfAborted(settings.signal);
    this.#lifecycle.checkRunning();
    this.#routes.seek(to);
    return await this.#lifecycle.track(this.#probe(to, settings));
  }

  async #probe(to: string, settings: PipeSettings & Wait): Promise<ProbeResult> {
    const pipe = await this.#pipes.take(to, settings);
    try {
      return await pipe.ask(settings);
    } finally {
      if (!settings.useCache) pipe.close();
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

  /**
   * Closes the connections that are not listened on and that no message waits for, without waiting until they have
   * been idle for `idleTimeoutMs`. They are opened again when they are needed. One that another address uses as well
   * stays for that one.
   * @returns how many there were, when they are gone
   * @throws {@link SidewireError} `NOT_STARTED`, `CLOSED`
   */
  async closeIdle(): Promise<number> {
    this.#lifecycle.checkRunning();
    return await this.#links.closeUnwanted();
  }

  /**
   * To be called when the network has changed: another uplink, another Wi-Fi, a VPN. Nothing tells a connection that
   * its way is gone. Those from addresses that this machine has no more end at once, the others are asked for a sign of
   * life, and brokers that wait for their next try are dialled. All routers on the same connections are meant.
   * @throws {@link SidewireError} `NOT_STARTED`, `CLOSED`
   */
  networkChanged(): void {
    this.#lifecycle.checkRunning();
    this.#connections.networkChanged();
  }

  /** What each broker did so far, and what was received and dropped. */
  stats(): RouterStats {
    return {
      brokers: this.#links.slots().map((slot) => brokerStats(slot, this.#inbound.roleOf(slot))),
      ...this.#reporter.counts,
      dropped: { ...this.#reporter.counts.dropped },
      skippedHints: this.#routes.skippedHints,
      inFlight: this.#outbox.size,
    };
  }

  /**
   * Takes no more to send, lets what was begun (sends, replies, probes, the hint store) end in at most 5 s, hands
   * over what was acknowledged, and leaves. Afterwards no timer, socket or listener is left. Twice is once.
   *
   * The routers over its connections are closed as well, before those are. One that is over another's leaves that one
   * and all others on the same connections as they are.
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

  /** @internal */
  protected override callListener(
    event: keyof RouterEvents,
    listener: Listener,
    args: readonly unknown[],
  ): void {
    // What is emitted by this name is a message.
    if (event === "message") this.#mailbox.call(listener, args[0] as InboundMessage);
    else this.#reporter.call(event, listener, args);
  }

  /** @internal */
  protected override listenersChanged(event: keyof RouterEvents): void {
    if (event === "message") this.#mailbox.receiversChanged();
  }

  /** The router that another one is put over. */
  static #over(options: unknown): Router | undefined {
    const over = isRecord(options) ? options.over : undefined;
    if (over === undefined) return undefined;
    check(isRecord(over) && #connections in over, "INVALID_OPTION", "over", "a Router", got(over));
    over.#lifecycle.checkNotClosed();
    return over;
  }

  async #begin(): Promise<void> {
    this.#lifecycle.begin();
    const kept = await this.#routes.kept(this.address);
    if (!this.#lifecycle.isRunning) return;
    this.#inbound.start(kept);
    this.#connections.start();
  }

  async #end(signal: AbortSignal | undefined): Promise<void> {
    const { isRunning } = this.#lifecycle;
    const closed = closedError();
    this.#lifecycle.beginClosing();
    // They end within the same time, and before what they are over.
    const others = this.#connections.closeOthers(this.address, signal);
    const { over: graceOver, stop } = timer(CLOSE_GRACE_MS);
    let stopPatience = (): void => {};
    try {
      if (isRunning && !signal?.aborted) await this.#lifecycle.drain(graceOver, signal);
      this.#lifecycle.close();
      for (const delivery of this.#outbox.items()) delivery.stop(closed);
      const patience = timer(signal?.aborted ? LAST_MOMENT_MS : LAST_ACKS_MS);
      stopPatience = patience.stop;
      const acknowledged = Promise.race([this.#receiver.end(), patience.over]);
      if (signal?.aborted) await acknowledged;
      const kept = Promise.all([acknowledged, this.#routes.settled()]);
      await abortable(Promise.race([kept, graceOver]), signal).catch(() => {});
    } finally {
      stop();
      stopPatience();
      await others;
      this.#mailbox.close();
      this.#inbound.close(closed);
      this.#outboxAlarm.clear();
      this.#inboxAlarm.clear();
      this.#pipes.clear();
      await this.#links.close(!signal?.aborted);
      await this.#connections.exit(this.address, !signal?.aborted);
    }
  }

  #receive(slot: LinkSlot, payload: Uint8Array): void {
    if (this.#lifecycle.isClosed) return;
    this.#receiver
      .receive(slot, payload)
      .catch((error: unknown) => this.#reporter.failedAgain("reading a packet", error));
  }

  #handOver(messages: readonly Accepted[]): void {
    for (const accepted of messages) {
      this.#reporter.received();
      this.#mailbox.put(inboundMessage(accepted, this.#pipes));
    }
  }

  /** A broker's state has changed: who is listened on, and what is kept for the next start. */
  #conclude(): void {
    this.#inbound.changed();
    // Those that are left at the end are no news.
    if (!this.#lifecycle.isRunning) return;
    const brokers = interleave(this.#inbound.listening());
    const hints = JSON.stringify(brokers.map(addressOf));
    if (brokers.length === 0 || hints === this.#keptHints) return;
    this.#keptHints = hints;
    this.#routes.keep(this.address, brokers);
  }
}
