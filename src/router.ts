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
import { Contacts } from "./contacts.js";
import type { RouterEvents } from "./events.js";
import type { InboundMessage, SendOptions } from "./message.js";
import {
  optionsOver,
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
import type { Pairwise } from "./wire/pairwise.js";
import { sealedLength } from "./wire/seal.js";

/** How long a graceful close waits for messages in flight, in ms. */
const CLOSE_GRACE_MS = 5000;

/** The part of that time that the signatures of the last ACKs may take, in ms. */
const LAST_ACKS_MS = 1000;

/** How long an immediate close waits for these signatures, in ms. A busy machine needs this time to sign. */
const LAST_MOMENT_MS = 100;

/**
 * A peer. A router listens on its brokers, makes pipes to other peers, and hands incoming messages to the application.
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
  /** The router's own address: 66 hex characters. */
  readonly address: string;
  readonly #settings: Settings;
  /** The router's own connections, or those of the router that it is over. */
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
  readonly #contacts: Contacts;
  readonly #outboxAlarm: Alarm = new Alarm((now) => {
    for (const { item, action } of this.#outbox.due(now)) item[action]();
    return this.#outbox.nextAt();
  });
  readonly #inboxAlarm: Alarm = new Alarm((now) => this.#receiver.expire(now));
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #keptHints = "";

  /**
   * Checks the identity and all options. Connects to nothing.
   * @param identity - a {@link Keypair}, or another object that signs
   * @param options - `getTime` is required
   * @throws {@link InvalidInputError} `INVALID_KEY`, `INVALID_OPTION`, `INVALID_POOL`; {@link SidewireError}
   * `UNSUPPORTED`; `CLOSED` when the router of the option `over` is closed
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
    this.#contacts = new Contacts(identity, (pair) => this.#routerFor(pair));
  }

  /**
   * Starts listening. Resolves when the first broker works. The router then goes on to connect to the other brokers.
   *
   * `start` rejects with {@link NoBrokerError} when no broker works, and with {@link AbortError} when the signal fires.
   * The router still goes on trying in both cases, until {@link close}. Another call waits again.
   *
   * @throws {@link NoBrokerError} with the reason for each broker; {@link SidewireError} `CLOSED`, `ABORTED`
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
   * Makes a pipe to a peer. Waits until a broker for sending is connected.
   *
   * @param destination - the peer's address, in hex or in bech32m
   * @throws {@link InvalidInputError} `INVALID_ADDRESS`, `INVALID_OPTION`, `INVALID_HINT`; {@link NoBrokerError};
   * {@link SidewireError} `NOT_STARTED`, `CLOSED`, `ABORTED`
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
   * Asks whether a peer is there, through a new pipe.
   * @param destination - the peer's address, in hex or in bech32m
   * @throws the errors of {@link pipe}
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
   * Returns a pipe to a peer under pairwise addresses (see {@link pairwise}). Nobody else can link these addresses to
   * the two peers' own addresses. The peer must call `contact` with this router's address, too. Messages of the peer
   * arrive at the handlers of `pipe.addMessageHandler`, and wait for the first handler. The handlers of this router do
   * not get these messages. Messages are always sealed in both directions, and messages of other senders are dropped.
   *
   * Further calls for the same peer return the same pipe. When the pipe is closed, this side also stops listening for
   * the peer. The pairwise address uses this router's connections, so brokers see that the two addresses belong
   * together.
   *
   * @param address - the peer's own address, in hex or bech32m
   * @param options - `signal`: ends the wait. The contact is still opened, and the next call returns its pipe.
   * @returns a pipe whose `to` is the peer's pairwise address
   * @throws {@link InvalidInputError} `INVALID_ADDRESS`, `INVALID_KEY`; {@link NoBrokerError};
   * {@link SidewireError} `NOT_STARTED`, `CLOSED`, `ABORTED`
   *
   * @example
   * ```ts
   * const ben = await router.contact(address);
   * ben.addMessageHandler((message) => console.log(message.text()));
   * await ben.deliver("hello");
   * ```
   */
  async contact(address: string, options: { signal?: AbortSignal | undefined } = {}): Promise<SmartPipe> {
    const peer = parseAddress(address);
    const signal = parseSignal(options);
    throwIfAborted(signal);
    this.#lifecycle.checkRunning();
    return await abortable(this.#contacts.take(peer), signal);
  }

  /** Another router on the same connections, for one peer. This router reports the problems of that router. */
  #routerFor({ identity, remoteAddress }: Pairwise): Router {
    this.#lifecycle.checkRunning();
    const router = new Router(identity, {
      ...optionsOver(this.#settings),
      getTime: this.#settings.getTime,
      over: this,
      accept: (from) => from === remoteAddress,
      encrypt: true,
      requireEncryption: true,
    });
    router.on("handlerError", ({ error, message }) => this.#reporter.failed(error, message));
    router.on("dropped", (event) => void this.emit("dropped", event));
    router.on("skew", (event) => void this.emit("skew", event));
    return router;
  }

  /**
   * Calls a function with every message. Registering the same function twice counts once. Errors that the function
   * throws or rejects with are reported as `handlerError`.
   * @returns a function that removes the handler
   */
  addMessageHandler(handler: MessageHandler): () => void {
    check(typeof handler === "function", "INVALID_OPTION", "handler", "a function");
    return this.#mailbox.addHandler(handler);
  }

  /**
   * The messages from now on, as an async iterable. The iterable ends when the signal fires or the router is closed.
   * When a reader is 1024 messages behind, the router refuses further messages and sends no ACK for them.
   */
  messages(options: { signal?: AbortSignal | undefined } = {}): AsyncIterableIterator<InboundMessage> {
    return this.#mailbox.read(parseSignal(options));
  }

  /** The brokers where this peer listens now, the best first. Give them to other peers as `hintBrokers`. */
  hints(): BrokerHint[] {
    return interleave(this.#inbound.listening()).map(hintOfBroker);
  }

  /**
   * Closes the connections that the router does not listen on and that no message waits for. Does not wait until they
   * have been idle for `idleTimeoutMs`. A closed connection is opened again when it is needed. A connection that
   * another address uses stays open for that address.
   * @returns the number of these connections, when they are closed
   * @throws {@link SidewireError} `NOT_STARTED`, `CLOSED`
   */
  async closeIdle(): Promise<number> {
    this.#lifecycle.checkRunning();
    return await this.#links.closeUnwanted();
  }

  /**
   * Call this function when the network has changed: another uplink, another Wi-Fi, a VPN. A connection does not notice
   * by itself that its route is gone.
   *
   * Connections from addresses that this machine no longer has end at once. The other connections are checked by a
   * ping. Brokers that wait for their next try are dialled at once. The call affects all routers on the same
   * connections.
   * @throws {@link SidewireError} `NOT_STARTED`, `CLOSED`
   */
  networkChanged(): void {
    this.#lifecycle.checkRunning();
    this.#connections.networkChanged();
  }

  /** What each broker has done so far, and how many messages were received and dropped. */
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
   * Closes the router. It accepts no new sends. Work that was begun (sends, replies, probes, the hint store) gets at
   * most 5 s to end. Acknowledged messages are handed over. Afterwards no timer, socket or listener is left. A second
   * call waits for the first one.
   *
   * The routers over this router's connections are closed first. A router that is over another one leaves that one, and
   * all others on the same connections, as they are.
   *
   * @param options - `signal`: the router closes at once when the signal fires or has fired already
   */
  async close(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const signal = parseSignal(options);
    this.#closing ??= this.#end(signal);
    await this.#closing;
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal */
  protected override callListener(
    event: keyof RouterEvents,
    listener: Listener,
    args: readonly unknown[],
  ): void {
    // The argument of this event is always a message, so the cast is safe.
    if (event === "message") this.#mailbox.call(listener, args[0] as InboundMessage);
    else this.#reporter.call(event, listener, args);
  }

  /** @internal */
  protected override listenersChanged(event: keyof RouterEvents): void {
    if (event === "message") this.#mailbox.receiversChanged();
  }

  /** The router of the option `over`. */
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
    // These routers end within the same time, and before the connections that they use.
    const others = Promise.all([
      this.#contacts.close(signal),
      this.#connections.closeOthers(this.address, signal),
    ]);
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

  /** Acts on a change of a broker's state: updates the brokers to listen on, and stores them for the next start. */
  #conclude(): void {
    this.#inbound.changed();
    // While the router is closing, the lost connections must not change the stored brokers.
    if (!this.#lifecycle.isRunning) return;
    const brokers = interleave(this.#inbound.listening());
    const hints = JSON.stringify(brokers.map(addressOf));
    if (brokers.length === 0 || hints === this.#keptHints) return;
    this.#keptHints = hints;
    this.#routes.keep(this.address, brokers);
  }
}
