import { bytesToHex } from "@noble/hashes/utils.js";
import { onAbort, throwIfAborted } from "./abort.js";
import type { AddressBook } from "./address-book.js";
import { Alarm, monotonicNow } from "./alarm.js";
import { addressOf, type Broker } from "./broker-pool.js";
import { type Acknowledgement, Delivery } from "./delivery.js";
import { type BrokerAddress, InvalidInputError, NoAckError, SidewireError } from "./errors.js";
import type { Identity } from "./identity.js";
import type { LinkSet } from "./link-set.js";
import type { Receipt, SendOptions } from "./message.js";
import { parseSendOptions, type Settings } from "./options.js";
import { Outbox } from "./outbox.js";
import { AppPacket, MAX_SEQUENCE, MessageType, QUEUE_ID_BYTES } from "./packet.js";
import { isSealed, seal } from "./seal.js";

/** What a probe found. */
export interface ProbeResult {
  /** Whether the peer answered at all. */
  readonly reachable: boolean;
  /** Where it answered, the fastest first, with the round trip. */
  readonly brokers: readonly (BrokerAddress & { readonly roundTripMs: number })[];
  /** As in {@link Receipt}; absent when nobody answered. */
  readonly remoteClockOffsetMs?: number;
}

/** What the pipes of one router share. */
export interface PipeContext {
  /** The own address. */
  readonly address: string;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly links: LinkSet;
  readonly outbox: Outbox<Delivery>;
  readonly book: AddressBook;
  /** The wall clock, ms. */
  readonly wallNow: () => number;
  /** Sets the router's alarm for the outbox. */
  readonly schedule: (at: number) => void;
  /** Throws when the router takes nothing more to send. */
  readonly checkOpen: () => void;
  /** Whether the router is gone, and with it what was on its way. */
  readonly isClosed: () => boolean;
  /** The pipes that have messages on their way. */
  readonly busy: Set<SmartPipe>;
  /** The pipe was closed by its user. */
  readonly onClosed: (pipe: SmartPipe) => void;
}

/** How long a probe goes on listening after the first answer: this, or twice the first round trip. */
const PROBE_LISTEN_MS = 150;

/** Where a message stands: which one it is, for the receiver. */
interface Place {
  readonly queueId: string;
  readonly sequence: number;
}

/** A message whose turn has not come yet. */
interface Turn {
  readonly go: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * A way to one destination. Its messages are numbered and handed over there in the order in which
 * `send` was called, also when nobody waits in between.
 *
 * Made by `router.pipe`.
 *
 * @example
 * ```ts
 * const pipe = await router.pipe(address);
 * if ((await pipe.send("hello")) === 0) console.log("nobody there");
 * ```
 */
export class SmartPipe {
  /** The destination's address. */
  readonly to: string;
  /** Whether its messages are sealed for the destination. */
  readonly encrypted: boolean;
  readonly #context: PipeContext;
  #hinted: readonly Broker[];
  readonly #ranked: readonly Broker[];
  readonly #turns: Turn[] = [];
  readonly #rateAlarm: Alarm = new Alarm((now) => this.#giveTurns(now));
  #queueId: string = randomQueueId();
  #sequence = 0;
  #inFlight = 0;
  /** Those in flight that have not been published yet. */
  #signing = 0;
  #closed = false;
  #drained: (() => void)[] = [];

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
    this.#hinted = hinted;
    this.#ranked = ranked;
  }

  /**
   * Sends a message and waits for its ACK.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @returns the number of bytes acknowledged: the message's length, or 0 when no ACK came in time
   * (an empty message gives 0 either way; {@link deliver} tells)
   * @throws {@link SidewireError} `CLOSED`, `MESSAGE_TOO_LARGE`, `ABORTED`, `INVALID_OPTION`
   */
  async send(data: string | Uint8Array, options: SendOptions = {}): Promise<number> {
    try {
      return (await this.deliver(data, options)).bytes;
    } catch (error) {
      if (error instanceof NoAckError) return 0;
      throw error;
    }
  }

  /**
   * Sends a message and tells how it was delivered.
   *
   * @param data - text, sent as UTF-8, or bytes; at most `maxMessageBytes` long
   * @throws {@link NoAckError} when no ACK came in time; else as {@link send}
   *
   * @example
   * ```ts
   * const { broker, roundTripMs } = await pipe.deliver("hello", { timeoutMs: 2000 });
   * console.log(`by ${broker.host} in ${roundTripMs} ms`);
   * ```
   */
  async deliver(data: string | Uint8Array, options: SendOptions = {}): Promise<Receipt> {
    const message = toBytes(data);
    const { maxMessageBytes } = this.#context.settings;
    if (message.length > maxMessageBytes) {
      throw new SidewireError(
        "MESSAGE_TOO_LARGE",
        `${message.length} bytes, at most ${maxMessageBytes} can be sent`,
      );
    }
    if (!this.encrypted && isSealed(message)) {
      throw new InvalidInputError(
        "INVALID_OPTION",
        "data",
        "starts with the marker of sealed messages; encrypt it",
      );
    }
    const { signal, timeoutMs } = parseSendOptions(options);
    await this.#turn(signal);
    try {
      const place = this.#nextPlace();
      const context = { source: this.#context.address, destination: this.to, ...place };
      const sealed = this.encrypted ? seal(message, context) : message;
      const [delivery, ack] = await this.#transmit(MessageType.Message, place, sealed, timeoutMs, signal);
      this.#context.outbox.take(this.#keyOf(place));
      return this.#receipt(message.length, delivery, ack);
    } finally {
      this.#endTurn();
    }
  }

  /**
   * Asks whether the peer is there. Its application notices nothing.
   * @returns where it answered; `reachable` is false when no answer came in time
   * @throws {@link SidewireError} `CLOSED`, `ABORTED`, `INVALID_OPTION`
   */
  async probe(options: SendOptions = {}): Promise<ProbeResult> {
    const { signal, timeoutMs } = parseSendOptions(options);
    throwIfAborted(signal);
    this.#checkOpen();
    // A queue of its own, so that no message waits for a gap that a probe left.
    const place = { queueId: randomQueueId(), sequence: 0 };
    this.#startTurn();
    try {
      const [delivery, ack] = await this.#transmit(MessageType.Probe, place, EMPTY, timeoutMs, signal);
      const roundTripMs = ack.at - (delivery.startedAt ?? ack.at);
      await pause(Math.min(Math.max(PROBE_LISTEN_MS, 2 * roundTripMs), timeoutMs), signal);
      const brokers = delivery.acks.map(({ slot, at }) => ({
        ...addressOf(slot.broker),
        roundTripMs: delivery.roundTripBy(slot) ?? at - (delivery.startedAt ?? at),
      }));
      brokers.sort((a, b) => a.roundTripMs - b.roundTripMs);
      return { reachable: true, brokers, remoteClockOffsetMs: this.#clockOffsetMs(ack) };
    } catch (error) {
      if (error instanceof NoAckError) return { reachable: false, brokers: [] };
      throw error;
    } finally {
      this.#context.outbox.take(this.#keyOf(place));
      this.#endTurn();
    }
  }

  /**
   * Takes no more messages and leaves the cache. What was sent before goes on; connections belong to
   * the router and stay.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#context.onClosed(this);
  }

  /** Takes newer hints. @internal */
  hint(brokers: readonly Broker[]): void {
    this.#hinted = brokers;
  }

  /** Resolves when nothing is in flight or waiting for its turn. @internal */
  drained(): Promise<void> {
    if (!this.#context.busy.has(this)) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  /** Fails what waits for its turn. @internal */
  abandon(error: Error): void {
    this.#rateAlarm.clear();
    for (const turn of this.#turns.splice(0)) turn.fail(error);
  }

  #checkOpen(): void {
    this.#context.checkOpen();
    if (this.#closed) throw new SidewireError("CLOSED", "the pipe was closed");
  }

  /** Waits until fewer than `maxInFlight` messages are on their way and a broker's rate allows one more. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    this.#checkOpen();
    await new Promise<void>((resolve, reject) => {
      const turn: Turn = {
        go: () => {
          stop();
          resolve();
        },
        fail: (error) => {
          stop();
          reject(error);
        },
      };
      const stop = onAbort(signal, (error) => {
        this.#turns.splice(this.#turns.indexOf(turn), 1);
        this.#lookIdle();
        reject(error);
      });
      this.#turns.push(turn);
      this.#context.busy.add(this);
      this.#giveTurns(monotonicNow());
    });
  }

  /** Lets go whose turn it is; returns when to look again because of a rate. */
  #giveTurns(now: number): number {
    while (this.#inFlight < this.#context.settings.maxInFlight) {
      const [turn] = this.#turns;
      if (turn === undefined) break;
      const readyAt = this.#rateReadyAt(now);
      // The one before has not drawn its token yet.
      if (readyAt !== undefined && this.#signing > 0) break;
      if (readyAt !== undefined && readyAt > now) {
        this.#rateAlarm.set(readyAt);
        return readyAt;
      }
      this.#turns.shift();
      this.#startTurn();
      turn.go();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** When a connected broker may be published on again, where all of them have a rate. */
  #rateReadyAt(now: number): number | undefined {
    let readyAt: number | undefined;
    for (const broker of this.#route()) {
      const slot = this.#context.links.find(broker);
      if (slot?.state !== "open") continue;
      if (slot.broker.rate === undefined) return undefined;
      readyAt = Math.min(readyAt ?? Number.POSITIVE_INFINITY, slot.bucket.readyAt(now));
    }
    return readyAt;
  }

  #startTurn(): void {
    this.#inFlight++;
    this.#signing++;
    this.#context.busy.add(this);
  }

  #endTurn(): void {
    this.#inFlight--;
    this.#giveTurns(monotonicNow());
    this.#lookIdle();
  }

  #lookIdle(): void {
    if (this.#inFlight > 0 || this.#turns.length > 0) return;
    this.#context.busy.delete(this);
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Where the destination may listen: as hinted, where it answered before, then by rank. */
  #route(): readonly Broker[] {
    return [...this.#hinted, ...this.#context.book.foundAt(this.to), ...this.#ranked];
  }

  #keyOf({ queueId, sequence }: Place): string {
    return Outbox.keyOf(this.to, queueId, sequence);
  }

  #nextPlace(): Place {
    if (this.#sequence > MAX_SEQUENCE) {
      this.#queueId = randomQueueId();
      this.#sequence = 0;
    }
    return { queueId: this.#queueId, sequence: this.#sequence++ };
  }

  /** A place that no broker has seen is used again, so that the receiver need not wait for it. */
  #giveBack({ queueId, sequence }: Place): void {
    if (queueId === this.#queueId && sequence === this.#sequence - 1) this.#sequence = sequence;
  }

  /** Signs and sends until the first ACK; the outbox keeps listening for more. */
  async #transmit(
    type: MessageType,
    place: Place,
    message: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<[Delivery, Acknowledgement]> {
    const { identity, settings, links, outbox, book, wallNow, schedule } = this.#context;
    const key = this.#keyOf(place);
    let delivery: Delivery | undefined;
    let stop: (() => void) | undefined;
    let signing = true;
    const signed = (): void => {
      if (signing) this.#signing--;
      signing = false;
      this.#giveTurns(monotonicNow());
    };
    try {
      const timestamp = Math.floor(wallNow() / 1000);
      const payload = await AppPacket.pack({ ...place, timestamp, type, message }, identity);
      throwIfAborted(signal);
      // Signing takes its time.
      if (this.#context.isClosed()) throw new SidewireError("CLOSED", "the router was closed");
      delivery = new Delivery({ links, to: this.to, payload, route: this.#route(), fanOut: settings.fanOut });
      stop = onAbort(signal, (error) => delivery?.stop(error));
      const widenAfterMs = Math.max(settings.widenAfterMs, 2 * (book.roundTripMs(this.to) ?? 0));
      schedule(outbox.add(key, delivery, { widenAfterMs, timeoutMs }, monotonicNow()));
      const acknowledged = delivery.run();
      signed();
      const ack = await acknowledged;
      this.#learn(delivery, ack);
      return [delivery, ack];
    } catch (error) {
      outbox.take(key);
      if ((delivery?.publishes ?? 0) === 0) this.#giveBack(place);
      throw error instanceof TimeoutReached
        ? new NoAckError(this.to, timeoutMs, delivery?.report() ?? [])
        : error;
    } finally {
      signed();
      stop?.();
    }
  }

  #learn(delivery: Delivery, { slot }: Acknowledgement): void {
    const { book } = this.#context;
    const roundTripMs = delivery.roundTripBy(slot);
    slot.traffic.acknowledged++;
    if (roundTripMs !== undefined) {
      slot.traffic.roundTripMs = roundTripMs;
      book.measured(this.to, roundTripMs);
    }
    book.found(this.to, slot.broker);
  }

  #receipt(bytes: number, delivery: Delivery, ack: Acknowledgement): Receipt {
    return {
      bytes,
      broker: addressOf(ack.slot.broker),
      roundTripMs: ack.at - (delivery.startedAt ?? ack.at),
      attempts: delivery.publishes,
      brokersTried: delivery.brokersTried.map(addressOf),
      remoteClockOffsetMs: this.#clockOffsetMs(ack),
    };
  }

  /** The middle of the ACK's second against our clock now. */
  #clockOffsetMs(ack: Acknowledgement): number {
    return ack.timestamp * 1000 + 500 - this.#context.wallNow();
  }
}

/** A delivery's time is over. */
export class TimeoutReached extends Error {}

const encoder: TextEncoder = new TextEncoder();

const EMPTY: Uint8Array = new Uint8Array();

/** A copy: the caller may go on using its array while the message waits. */
function toBytes(data: unknown): Uint8Array {
  if (typeof data === "string") return encoder.encode(data);
  if (data instanceof Uint8Array) return Uint8Array.from(data);
  throw new SidewireError("INVALID_OPTION", "data: expected a string or a Uint8Array");
}

function randomQueueId(): string {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(QUEUE_ID_BYTES)));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = onAbort(signal, (error) => {
      clearTimeout(timer);
      reject(error);
    });
    const timer = setTimeout(() => {
      stop();
      resolve();
    }, ms);
  });
}
