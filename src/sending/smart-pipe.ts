import { abortable, throwIfAborted } from "../base/abort.js";
import { monotonicNow, NEVER, timer } from "../base/alarm.js";
import { type BrokerAddress, NoAckError, SidewireError } from "../base/errors.js";
import { inOwnTurn } from "../base/next-task.js";
import { Pending } from "../base/pending.js";
import { check } from "../base/schema.js";
import { LONG_BYTES } from "../brokers/line-speed.js";
import { Reserve } from "../brokers/token-bucket.js";
import type { InboundMessage, Receipt, SendOptions } from "../message.js";
import { parseSendOptions, type Wait } from "../options.js";
import { addressOf, type Broker } from "../wire/broker-pool.js";
import { MessageType } from "../wire/packet.js";
import { isSealed, makeEphemeralKey, type SealContext, seal } from "../wire/seal.js";
import { bytesOrZero, messageOf } from "./message-bytes.js";
import { Numbering } from "./numbering.js";
import { Outbox, type Place } from "./outbox.js";
import type { PipeContext } from "./pipe-context.js";
import { type Sent, Transmitter } from "./transmitter.js";
import { Turns } from "./turns.js";

/** The result of a probe. */
export interface ProbeResult {
  /** Whether the peer answered. */
  readonly reachable: boolean;
  /** The brokers by which the peer answered, the fastest first, each with its round trip in ms. */
  readonly brokers: readonly (BrokerAddress & { readonly roundTripMs: number })[];
  /** As in {@link Receipt}; absent when no answer came. */
  readonly remoteClockOffsetMs?: number;
}

/**
 * The long messages in flight may keep the line busy for this time, in ms. Further long messages wait for their turn.
 */
const LINE_MS = 500;

/**
 * The maximum number of messages on their way to a peer that has not answered yet, and how long this limit holds, in
 * ms.
 */
const FIRST_FLIGHT = 8;
const FIRST_ACK_MS = 2000;

/** How long a probe listens after the first answer, in ms: at least this, and at least twice the first round trip. */
const PROBE_LISTEN_MS = 150;

/**
 * A pipe sends messages to one destination. The destination's application gets them in the order of the `send` calls,
 * even if the caller does not wait between the calls.
 *
 * `router.pipe` makes pipes.
 *
 * @example
 * ```ts
 * const pipe = await router.pipe(address);
 * const { broker } = await pipe.deliver("hello");
 * console.log(`acknowledged, by ${broker.host}`);
 * ```
 */
export class SmartPipe implements AsyncDisposable {
  /** The destination's address: 66 hex characters. */
  readonly to: string;
  /** Whether the pipe seals its messages for the destination. */
  readonly encrypted: boolean;
  /** The brokers where the destination is said to listen. @internal */
  hinted: readonly Broker[];
  /** Called when the user closes the pipe. @internal */
  onClosed: () => void = () => {};
  readonly #context: PipeContext;
  readonly #ranked: readonly Broker[];
  readonly #turns: Turns;
  readonly #numbering = new Numbering();
  readonly #transmitter: Transmitter;
  /** The message handlers, each with the function that removes it. */
  readonly #handlers = new Map<(message: InboundMessage) => unknown, () => void>();
  /** The sends and probes whose promises have not settled yet. */
  readonly #unsettled = new Pending();
  #closed = false;
  /** When the first of the messages on their way was sent. */
  #begunAt = 0;

  /** @internal */
  constructor(
    context: PipeContext,
    to: string,
    encrypted: boolean,
    hinted: readonly Broker[],
    ranked: readonly Broker[],
  ) {
    this.#context = context;
    this.to = to;
    this.encrypted = encrypted;
    this.hinted = hinted;
    this.#ranked = ranked;
    const { links, routes, lifecycle } = context;
    this.#turns = new Turns({
      room: (now) => this.#room(now),
      readyAt: (now) => this.#rateReadyAt(now),
      maxBytes: () =>
        Math.min(links.speed.bytesWithin(LINE_MS), routes.peers.speedOf(to).bytesWithin(LINE_MS)),
      lifecycle,
    });
    const route = (): readonly Broker[] => this.#route();
    this.#transmitter = new Transmitter({
      context,
      to,
      route,
      numbering: this.#numbering,
      turns: this.#turns,
    });
  }

  /**
   * Sends a message. Resolves when the peer has acknowledged the message.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @returns how the message was delivered
   * @throws {@link NoAckError} when no ACK came in time; {@link SidewireError} `CLOSED`, `MESSAGE_TOO_LARGE`,
   * `ABORTED`, `INVALID_OPTION`
   *
   * @example
   * ```ts
   * const { broker, roundTripMs } = await pipe.deliver("hello", { timeoutMs: 2000 });
   * console.log(`by ${broker.host} in ${roundTripMs} ms`);
   * ```
   */
  deliver(data: string | Uint8Array, options: SendOptions = {}): Promise<Receipt> {
    return this.#unsettled.track(this.#deliver(data, options));
  }

  /**
   * The same as {@link deliver}, but resolves with a number of bytes only. An empty message gives 0 whether it was
   * delivered or not, so send an empty message by {@link deliver}.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @returns the number of bytes acknowledged: the message's length, or 0 when no ACK came in time
   * @throws the errors of {@link deliver}, except {@link NoAckError}
   */
  send(data: string | Uint8Array, options: SendOptions = {}): Promise<number> {
    return this.#unsettled.track(bytesOrZero(this.#deliver(data, options)));
  }

  #deliver(data: string | Uint8Array, options: SendOptions): Promise<Receipt> {
    return this.#context.lifecycle.track(this.#begin(data, options));
  }

  async #begin(data: string | Uint8Array, options: SendOptions): Promise<Receipt> {
    const message = messageOf(data, this.#context.settings);
    const wait = parseSendOptions(options);
    throwIfAborted(wait.signal);
    this.#checkOpen();
    return await this.goOn(message, wait);
  }

  /** Delivers a message that was begun, even while the router is closing. @internal */
  async goOn(message: Uint8Array, { signal, timeoutMs }: Wait): Promise<Receipt> {
    check(
      this.encrypted || !isSealed(message),
      "INVALID_OPTION",
      "data",
      "no marker of sealed messages at the start, or to encrypt it",
    );
    await this.#turns.take(message.length, signal);
    try {
      const place = this.#place();
      const type = MessageType.Message;
      const make = (): Uint8Array | Promise<Uint8Array> => this.#sealed(message, place);
      const sent = await this.#transmitter.transmit({ type, place, make, timeoutMs, signal });
      this.#context.outbox.take(this.#keyOf(place));
      return receiptOf(message.length, sent);
    } finally {
      this.#endTurn(message.length);
    }
  }

  /**
   * Asks whether the peer is there. The peer's application does not notice.
   * @returns the brokers by which the peer answered; `reachable` is false when no answer came in time
   * @throws {@link SidewireError} `CLOSED`, `ABORTED`, `INVALID_OPTION`
   */
  probe(options: SendOptions = {}): Promise<ProbeResult> {
    return this.#unsettled.track(this.#context.lifecycle.track(this.#beginProbe(options)));
  }

  async #beginProbe(options: SendOptions): Promise<ProbeResult> {
    const wait = parseSendOptions(options);
    throwIfAborted(wait.signal);
    this.#checkOpen();
    return await this.ask(wait);
  }

  /** Probes, even while the router is closing. @internal */
  async ask({ signal, timeoutMs }: Wait): Promise<ProbeResult> {
    // A probe gets a queue of its own, so that no message waits for a gap that a probe leaves.
    const place = this.#numbering.apart();
    this.#turns.begin(0);
    try {
      const type = MessageType.Probe;
      const make = (): Uint8Array => EMPTY;
      const sent = await this.#transmitter.transmit({ type, place, make, timeoutMs, signal });
      const { delivery, ack, remoteClockOffsetMs } = sent;
      const roundTripMs = ack.at - (delivery.startedAt ?? ack.at);
      await pause(Math.min(Math.max(PROBE_LISTEN_MS, 2 * roundTripMs), timeoutMs), signal);
      const brokers = delivery.acks.map(({ slot, at }) => ({
        ...addressOf(slot.broker),
        roundTripMs: delivery.roundTripBy(slot) ?? at - (delivery.startedAt ?? at),
      }));
      brokers.sort((a, b) => a.roundTripMs - b.roundTripMs);
      return { reachable: true, brokers, remoteClockOffsetMs };
    } catch (error) {
      if (error instanceof NoAckError) return { reachable: false, brokers: [] };
      throw error;
    } finally {
      this.#context.outbox.take(this.#keyOf(place));
      this.#endTurn(0);
    }
  }

  /**
   * Calls a function with every message from the pipe's peer, until the pipe is closed. Registering the same function
   * twice counts once. The router's own handlers get these messages, too. Messages from other peers still need a
   * handler of the router.
   * @returns a function that removes the handler
   * @throws {@link SidewireError} `CLOSED`, `INVALID_OPTION`
   */
  addMessageHandler(handler: (message: InboundMessage) => unknown): () => void {
    check(typeof handler === "function", "INVALID_OPTION", "handler", "a function");
    this.#checkOpen();
    // A new function for each pipe, because two pipes may have the same handler.
    const remove =
      this.#handlers.get(handler) ?? this.#context.addHandler(this.to, (message) => handler(message));
    this.#handlers.set(handler, remove);
    return () => {
      if (this.#handlers.get(handler) === remove) this.#handlers.delete(handler);
      remove();
    };
  }

  /**
   * Closes the pipe: it accepts no more messages, calls its handlers no more, and leaves the cache. Messages that were
   * sent before go on. Connections stay open, because they belong to the router.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const remove of this.#handlers.values()) remove();
    this.#handlers.clear();
    this.onClosed();
  }

  /**
   * Calls {@link close}, for `await using`. Resolves when all messages of this pipe are acknowledged or given up; their
   * timeouts limit the wait. A cached pipe is closed for everybody who uses it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#unsettled.settled();
  }

  #checkOpen(): void {
    this.#context.lifecycle.checkRunning();
    if (this.#closed) throw new SidewireError("CLOSED", "the pipe was closed");
  }

  /**
   * How many messages may be on their way. The limit is low before the first ACK, because the first ACK shows where the
   * peer is and of which kind. Messages that were sent before may have to be sent again.
   */
  #room(now: number): { readonly maxInFlight: number; readonly until: number } {
    const { maxInFlight } = this.#context.settings;
    const restsUntil = this.#numbering.restsUntil(this.#context.wakes());
    if (now < restsUntil) return { maxInFlight: 0, until: restsUntil };
    const isKnown = this.#context.routes.peers.isOriginal(this.to) !== undefined;
    if (this.#turns.isIdle) this.#begunAt = now;
    const until = this.#begunAt + FIRST_ACK_MS;
    return isKnown || now >= until
      ? { maxInFlight, until: NEVER }
      : { maxInFlight: Math.min(maxInFlight, FIRST_FLIGHT), until };
  }

  /** When a connected broker allows the next publish; undefined when a connected broker has no rate. */
  #rateReadyAt(now: number): number | undefined {
    const { links, routes } = this.#context;
    let readyAt: number | undefined;
    const isOpen = (broker: Broker): boolean => links.find(broker).state === "open";
    const found = routes.peers.isOriginal(this.to) ? routes.foundAt(this.to).filter(isOpen) : [];
    for (const broker of found.length > 0 ? found : this.#route()) {
      const slot = links.find(broker);
      if (slot.state !== "open") continue;
      if (!slot.broker.rate) return undefined;
      readyAt = Math.min(readyAt ?? NEVER, slot.bucket.readyAt(now, Reserve.Message));
    }
    return readyAt;
  }

  #endTurn(bytes: number): void {
    this.#turns.end(bytes);
    if (this.#turns.isIdle) this.#numbering.settle(monotonicNow());
  }

  /** The brokers where the destination may listen: hinted ones, then those where it answered before, then by rank. */
  #route(): readonly Broker[] {
    return [...this.hinted, ...this.#context.routes.foundAt(this.to), ...this.#ranked];
  }

  /**
   * The next place in the pipe's queue. For the Python original, which knows no order, each message gets a queue of its
   * own.
   */
  #place(): Place {
    const { routes, wakes } = this.#context;
    return routes.peers.isOriginal(this.to) ? this.#numbering.apart() : this.#numbering.next(wakes());
  }

  #sealed(message: Uint8Array, { queueId, sequence }: Place): Uint8Array | Promise<Uint8Array> {
    if (!this.encrypted) return message;
    const context = { source: this.#context.address, destination: this.to, queueId, sequence };
    return message.length < LONG_BYTES ? seal(message, context) : sealInTurns(message, context);
  }

  #keyOf({ queueId, sequence }: Place): string {
    return Outbox.keyOf(this.to, queueId, sequence);
  }
}

const EMPTY: Uint8Array = new Uint8Array();

function receiptOf(bytes: number, { delivery, ack, remoteClockOffsetMs }: Sent): Receipt {
  return {
    bytes,
    broker: addressOf(ack.slot.broker),
    roundTripMs: ack.at - (delivery.startedAt ?? ack.at),
    attempts: delivery.publishes,
    brokersTried: delivery.brokersTried.map(addressOf),
    remoteClockOffsetMs,
  };
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { over, stop } = timer(ms);
  await abortable(over, signal).finally(stop);
}

/**
 * Long messages take time to hash and to encrypt, and the first one in a process takes twice as long. So both steps get
 * a turn of the event loop of their own.
 */
async function sealInTurns(message: Uint8Array, context: SealContext): Promise<Uint8Array> {
  const key = await inOwnTurn(() => makeEphemeralKey(message, context));
  return await inOwnTurn(() => seal(message, context, key));
}
