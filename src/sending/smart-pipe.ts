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

/** What a probe found. */
export interface ProbeResult {
  /** Whether the peer answered at all. */
  readonly reachable: boolean;
  /** Where it answered, the fastest first, with the round trip. */
  readonly brokers: readonly (BrokerAddress & { readonly roundTripMs: number })[];
  /** As in {@link Receipt}; absent when nobody answered. */
  readonly remoteClockOffsetMs?: number;
}

/** The long messages in flight may keep the line busy for so long, ms; more wait for their turn. */
const LINE_MS = 500;

/** How many messages may be on their way to a peer that has not answered yet, for so long. */
const FIRST_FLIGHT = 8;
const FIRST_ACK_MS = 2000;

/** How long a probe goes on listening after the first answer: this, or twice the first round trip. */
const PROBE_LISTEN_MS = 150;

/**
 * A way to one destination. Its messages are numbered and handed over there in the order in which
 * `send` was called, also when nobody waits in between.
 *
 * Made by `router.pipe`.
 *
 * @example
 * ```ts
 * const pipe = await router.pipe(address);
 * const { broker } = await pipe.deliver("hello");
 * console.log(`acknowledged, by ${broker.host}`);
 * ```
 */
export class SmartPipe implements AsyncDisposable {
  /** The destination's address. */
  readonly to: string;
  /** Whether its messages are sealed for the destination. */
  readonly encrypted: boolean;
  /** Where the destination is said to listen. @internal */
  hinted: readonly Broker[];
  /** Called when its user closes it. @internal */
  onClosed: () => void = () => {};
  readonly #context: PipeContext;
  readonly #ranked: readonly Broker[];
  readonly #turns: Turns;
  readonly #numbering = new Numbering();
  readonly #transmitter: Transmitter;
  /** What removes each of its handlers. */
  readonly #handlers = new Map<(message: InboundMessage) => unknown, () => void>();
  /** What its user waits for. */
  readonly #unsettled = new Pending();
  #closed = false;
  /** When the first of those messages was sent that are on their way. */
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
   * Sends a message, and resolves once the peer has acknowledged it: with how it was delivered.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @throws {@link NoAckError} when no ACK came in time; {@link SidewireError} `CLOSED`, `MESSAGE_TOO_LARGE`, `ABORTED`,
   * `INVALID_OPTION`
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
   * {@link deliver} for who wants to know the number of bytes alone. An empty message gives 0 whether it was delivered
   * or not, so send it by {@link deliver}.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @returns the number of bytes acknowledged: the message's length, or 0 when no ACK came in time
   * @throws as {@link deliver}, but for {@link NoAckError}
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

  /** Delivers what was begun, also while the router is closing. @internal */
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
   * Asks whether the peer is there. Its application notices nothing.
   * @returns where it answered; `reachable` is false when no answer came in time
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

  /** Probes, also while the router is closing. @internal */
  async ask({ signal, timeoutMs }: Wait): Promise<ProbeResult> {
    // A queue of its own, so that no message waits for a gap that a probe left.
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
   * Calls a function with every message from the pipe's peer, and with none of others, until the pipe is closed. The
   * same function twice counts once. The router's own handlers get them as well; what comes from others waits for one of those.
   * @returns a function that removes it
   * @throws {@link SidewireError} `CLOSED`, `INVALID_OPTION`
   */
  addMessageHandler(handler: (message: InboundMessage) => unknown): () => void {
    check(typeof handler === "function", "INVALID_OPTION", "handler", "a function");
    this.#checkOpen();
    // A function of the pipe's own, as another pipe may have the same handler.
    const remove =
      this.#handlers.get(handler) ?? this.#context.addHandler(this.to, (message) => handler(message));
    this.#handlers.set(handler, remove);
    return () => {
      if (this.#handlers.get(handler) === remove) this.#handlers.delete(handler);
      remove();
    };
  }

  /**
   * Takes no more messages, calls its handlers no more, and leaves the cache. What was sent before goes on;
   * connections belong to the router and stay.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const remove of this.#handlers.values()) remove();
    this.#handlers.clear();
    this.onClosed();
  }

  /**
   * {@link close}, for `await using`: resolves when everything that was sent by this pipe is acknowledged or given up,
   * which takes as long as its timeouts at most. A pipe of the cache is closed for everybody who was handed it.
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
   * How many messages may be on their way. The first ACK tells where the peer is and of which kind: what was sent
   * before may have to be sent again.
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

  /** When a connected broker may be published on again, where all of them have a rate. */
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

  /** Where the destination may listen: as hinted, where it answered before, then by rank. */
  #route(): readonly Broker[] {
    return [...this.hinted, ...this.#context.routes.foundAt(this.to), ...this.#ranked];
  }

  /** The next place in the pipe's queue; for the Python original, which knows no order, a queue of its own. */
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

/** A long message takes its time to hash and to encrypt, and the first one of a process twice that. */
async function sealInTurns(message: Uint8Array, context: SealContext): Promise<Uint8Array> {
  const key = await inOwnTurn(() => makeEphemeralKey(message, context));
  return await inOwnTurn(() => seal(message, context, key));
}
