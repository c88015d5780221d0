import { monotonicNow, NEVER } from "../base/alarm.js";
import type { AttemptReport } from "../base/errors.js";
import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { LinkSet } from "../brokers/link-set.js";
import type { LinkSlot } from "../brokers/link-slot.js";
import { Reserve } from "../brokers/token-bucket.js";
import { addressOf, type Broker } from "../wire/broker-pool.js";

/** An ACK that the destination has signed. */
export interface Acknowledgement {
  /** The broker that delivered the ACK. */
  readonly slot: LinkSlot;
  /** The peer's time of signing, in Unix seconds. */
  readonly timestamp: number;
  /** Whether the ACK's text is `ack` and nothing else. Only ACKs of the Python original are like that. */
  readonly isBare: boolean;
  /** When the ACK came, in monotonic ms. */
  readonly at: number;
}

export interface DeliveryOptions {
  readonly links: LinkSet;
  readonly to: string;
  readonly payload: Uint8Array;
  /**
   * Packs the message again when its timestamp is old. Resolves with undefined while the timestamp is fresh. Absent for
   * a packet whose timestamp nobody checks.
   */
  readonly renew?: (() => Promise<Uint8Array | undefined>) | undefined;
  /** The brokers to try, in this order. The list may contain a broker twice. */
  readonly route: readonly Broker[];
  readonly fanOut: number;
  /** How long a long message may take from a broker to the peer, in ms. */
  readonly arrivingMs: number;
  /**
   * Called while the bytes of a long message are leaving, and when they have left. The message's times count from then.
   */
  readonly onLeaving: () => void;
}

/** The problem of a message that is published as soon as the rate allows. */
const OVER_RATE = "over the broker's rate";

/** The problem of a message that has the length of messages that ended sessions with this broker. */
const TOO_LONG = "larger than this broker takes";

/** An attempt to connect without an answer after this time no longer counts as one that may succeed, in ms. */
const HOPEFUL_MS = 250;

/**
 * One message on its way. The message is published on the first brokers of its route, then on more and more brokers,
 * until the first ACK.
 *
 * Each broker is an attempt. An attempt ends with the ACK that comes by its broker. The attempts of a wave and the next
 * wave are in one race: the first ACK ends all of them.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #attempts = new Map<string, Attempt>();
  readonly #acks: Acknowledgement[] = [];
  #nextWave: { start: (wave: Promise<Acknowledgement>) => void; giveUp: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #payload: Uint8Array;
  #isRenewing = false;
  /** When the message was first published; monotonic ms. */
  startedAt: number | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#payload = options.payload;
  }

  /** The ACKs that have come so far, at most one for each broker. */
  get acks(): readonly Acknowledgement[] {
    return this.#acks;
  }

  /** The length of the packet in bytes. */
  get bytes(): number {
    return this.#payload.length;
  }

  /** How many times the message was published, over all brokers. */
  get publishes(): number {
    return this.#published().reduce((sum, attempt) => sum + attempt.publishes, 0);
  }

  /** The brokers that the message was published on. */
  get brokersTried(): readonly Broker[] {
    return this.#published().map((attempt) => attempt.broker);
  }

  /**
   * Starts the delivery, and resolves with the first ACK.
   * @throws the error that {@link stop} was called with
   */
  async run(): Promise<Acknowledgement> {
    try {
      return await this.#race(this.#startAttempts());
    } catch (error) {
      throw this.#failure ?? error;
    } finally {
      this.#nextWave = undefined;
      for (const attempt of this.#attempts.values()) attempt.cancel();
    }
  }

  /** Lets the next brokers join. Does nothing while the message is still on its way to a broker that is alive. */
  widen(): void {
    const next = this.#nextWave;
    if (!next) return;
    const now = monotonicNow();
    const attempts = [...this.#attempts.values()];
    if (attempts.some((attempt) => attempt.isLeaving(now))) {
      this.#options.onLeaving();
      return;
    }
    if (attempts.some((attempt) => attempt.isArriving(now))) return;
    for (const attempt of attempts) attempt.insist();
    const more = this.#startAttempts();
    if (more.length > 0) next.start(this.#race(more));
  }

  /** Publishes the message again on the brokers that it was published on. */
  repeat(): void {
    void this.#repeat([...this.#attempts.values()]);
  }

  async #repeat(attempts: readonly Attempt[]): Promise<void> {
    const { renew } = this.#options;
    if (renew && !this.#isRenewing) {
      this.#isRenewing = true;
      // If the signer or the clock fails, the old packet is published again.
      this.#payload = (await renew().catch(() => undefined)) ?? this.#payload;
      this.#isRenewing = false;
    }
    if (this.#nextWave) for (const attempt of attempts) attempt.publish();
  }

  /** Handles an ACK whose signature was verified. */
  acknowledge(ack: Acknowledgement): void {
    if (this.#acks.some(({ slot }) => slot === ack.slot)) return;
    this.#acks.push(ack);
    const attempt = this.#attempts.get(ack.slot.id);
    attempt?.measure(ack);
    // An ACK settles the message, by whichever broker it came.
    (attempt ?? this.#published()[0])?.resolve(ack);
  }

  /**
   * The time from a broker's only publish to its ACK, in ms; undefined when the message was published there more than
   * once.
   */
  roundTripBy(slot: LinkSlot): number | undefined {
    return this.#attempts.get(slot.id)?.roundTripMs;
  }

  /** Gives up because the message's time is over. */
  expire(): void {
    this.stop(new TimeoutReached());
  }

  /** Gives up with an error. */
  stop(error: Error): void {
    this.#failure ??= error;
    for (const attempt of this.#attempts.values()) attempt.reject(error);
    this.#nextWave?.giveUp(error);
  }

  /** What each broker has done so far. */
  report(): AttemptReport[] {
    return [...this.#attempts.values()].map((attempt) => ({
      ...addressOf(attempt.broker),
      publishes: attempt.publishes,
      error: attempt.problem,
    }));
  }

  #race(attempts: readonly Attempt[]): Promise<Acknowledgement> {
    const nextWave = new Promise<Acknowledgement>((start, giveUp) => {
      this.#nextWave = { start, giveUp };
    });
    return Promise.any([...attempts.map((attempt) => attempt.answer), nextWave]);
  }

  #published(): Attempt[] {
    return [...this.#attempts.values()].filter((attempt) => attempt.publishes > 0);
  }

  /**
   * Starts attempts on the next brokers of the route, until `fanOut` of them are usable and one is connected. Up to
   * `fanOut` brokers that are not connected are dialled. They join when they are connected.
   */
  #startAttempts(): Attempt[] {
    const { links, route, fanOut } = this.#options;
    const now = monotonicNow();
    const started: Attempt[] = [];
    const overRate: Broker[] = [];
    let usable = 0;
    let open = 0;
    let dialled = 0;
    for (const broker of route) {
      if (usable >= fanOut && open > 0) break;
      const slot = links.find(broker);
      if (this.#attempts.has(slot.id)) continue;
      if (!slot.sizes.takes(this.#payload.length, now)) {
        // The attempt only reports the problem; it does not count as usable.
        if (slot.state === "open") started.push(this.#attempt(broker));
        continue;
      }
      if (slot.state === "open") {
        if (slot.bucket.readyAt(now, Reserve.Message) > now) {
          overRate.push(broker);
          continue;
        }
        open++;
        usable++;
      } else if (slot.state === "connecting") {
        if (now - slot.dialledAt < HOPEFUL_MS) usable++;
      } else if (dialled < fanOut) {
        dialled++;
        if (slot.state === "idle") usable++;
      } else continue;
      started.push(this.#attempt(broker));
    }
    if (open === 0) started.push(...overRate.slice(0, fanOut).map((broker) => this.#attempt(broker)));
    return started;
  }

  #attempt(broker: Broker): Attempt {
    const { links, to } = this.#options;
    const publish: Publish = (slot, onLeft) => {
      const now = monotonicNow();
      if (!slot.sizes.takes(this.#payload.length, now)) return TOO_LONG;
      if (!slot.bucket.take(now, Reserve.Message)) return OVER_RATE;
      if (!links.publish(slot, to, this.#payload, now, onLeft)) return "the broker takes nothing any more";
      this.startedAt ??= now;
      return undefined;
    };
    const slot = links.dial(broker);
    const attempt = new Attempt(broker, slot, publish, {
      length: this.#payload.length,
      arrivingMs: this.#options.arrivingMs,
      onLeft: () => {
        if (this.#nextWave) this.#options.onLeaving();
      },
      mayJoin: () => this.#mayJoin(),
    });
    this.#attempts.set(slot.id, attempt);
    attempt.watch(links, () => this.#attemptFailed());
    return attempt;
  }

  /** Whether a newly connected broker may get a copy. If not, enough copies are on their way. */
  #mayJoin(): boolean {
    const now = monotonicNow();
    const onTheirWay = [...this.#attempts.values()].filter(
      (attempt) => attempt.isLeaving(now) || attempt.isArriving(now),
    );
    return onTheirWay.length < this.#options.fanOut;
  }

  /** When no attempt can succeed any more, the next brokers join at once. */
  #attemptFailed(): void {
    if (![...this.#attempts.values()].some((attempt) => attempt.isPromising)) this.widen();
  }
}

/** The time of a delivery is over. */
export class TimeoutReached extends Error {}

/** @returns why the message was not published; undefined when it was published */
type Publish = (slot: LinkSlot, onLeft: () => void) => string | undefined;

/** What an attempt needs to know about a long message. */
interface Way {
  /** The length of the packet in bytes. */
  readonly length: number;
  /** How long the message takes from the broker to the peer, in ms. */
  readonly arrivingMs: number;
  /** Called when the broker has read the whole message. */
  readonly onLeft: () => void;
  /** Whether one more copy may be published. */
  readonly mayJoin: () => boolean;
}

/** The attempt to deliver one message by one broker. */
class Attempt {
  readonly broker: Broker;
  /** Resolves with the ACK that comes by this broker. */
  readonly answer: Promise<Acknowledgement>;
  resolve: (ack: Acknowledgement) => void = () => {};
  reject: (error: Error) => void = () => {};
  /** Stops watching the broker. */
  cancel: () => void = () => {};
  publishes = 0;
  roundTripMs: number | undefined;
  /** Why the message was not published, or not published again. */
  problem: string | undefined;
  readonly #slot: LinkSlot;
  readonly #publishOn: Publish;
  readonly #way: Way;
  #publishedAt = 0;
  /** Whether the message is long and the broker has not read all of it. */
  #isUnread = false;
  /** When the broker had read the whole message. */
  #leftAt = -NEVER;
  #isChecked = false;

  constructor(broker: Broker, slot: LinkSlot, publishOn: Publish, way: Way) {
    this.broker = broker;
    this.problem = slot.state === "waiting" ? slot.lastError?.message : "not connected in time";
    this.#slot = slot;
    this.#publishOn = publishOn;
    this.#way = way;
    this.answer = new Promise<Acknowledgement>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Whether an ACK may come by this broker without any further action. */
  get isPromising(): boolean {
    const { state } = this.#slot;
    return state === "connecting" || (state === "open" && this.publishes > 0 && !this.problem);
  }

  /** Whether the message's bytes are on the line to a broker that was heard after the publish. */
  isLeaving(now: number): boolean {
    const { link } = this.#slot;
    const isAlive = link !== undefined && link.heardAt >= this.#publishedAt;
    return this.#isUnread && isAlive && now < this.#publishedAt + LineSpeed.longestMs(this.#way.length);
  }

  /** Whether a long message may still be on its way from the broker to the peer. */
  isArriving(now: number): boolean {
    return now < this.#leftAt + this.#way.arrivingMs;
  }

  /** Publishes the message whenever the broker gets connected. */
  watch(links: LinkSet, onFailed: () => void): void {
    this.cancel = links.want(this.broker, {
      opened: () => {
        if (this.#way.mayJoin()) this.publish();
      },
      failed: (_, error) => {
        this.problem = error.message;
        this.#isUnread = false;
        onFailed();
      },
    });
  }

  /** Publishes the message, if the broker is connected and its rate allows it. */
  publish(): void {
    const now = monotonicNow();
    if (this.#slot.state !== "open" || this.isLeaving(now)) return;
    const publish = this.publishes;
    this.problem = this.#publishOn(this.#slot, () => {
      // Only the latest publish counts.
      if (this.publishes !== publish + 1) return;
      this.#isUnread = false;
      this.#leftAt = monotonicNow();
      this.#way.onLeft();
    });
    if (this.problem) return;
    this.publishes++;
    this.#publishedAt = now;
    this.#isUnread = this.#way.length >= LONG_BYTES;
  }

  /** Publishes the message if that was not possible before. Otherwise pings the broker, once. */
  insist(): void {
    if (this.publishes === 0 || this.problem === OVER_RATE) this.publish();
    else if (!this.#isChecked) this.#slot.link?.check();
    this.#isChecked = this.publishes > 0;
  }

  /** Records the round trip, but only when it is certain which publish the ACK belongs to (Karn's algorithm). */
  measure(ack: Acknowledgement): void {
    if (this.publishes === 1) this.roundTripMs = ack.at - this.#publishedAt;
  }
}
