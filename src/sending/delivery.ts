import { monotonicNow, NEVER } from "../base/alarm.js";
import type { AttemptReport } from "../base/errors.js";
import { LineSpeed, LONG_BYTES } from "../brokers/line-speed.js";
import type { LinkSet } from "../brokers/link-set.js";
import type { LinkSlot } from "../brokers/link-slot.js";
import { Reserve } from "../brokers/token-bucket.js";
import { addressOf, type Broker } from "../wire/broker-pool.js";

/** An ACK that was signed by the destination. */
export interface Acknowledgement {
  /** The broker it came by. */
  readonly slot: LinkSlot;
  /** The peer's clock when it was signed, Unix seconds. */
  readonly timestamp: number;
  /** Whether it says `ack` and nothing else: so does the Python original, and nobody of ours. */
  readonly isBare: boolean;
  /** When it came, monotonic ms. */
  readonly at: number;
}

export interface DeliveryOptions {
  readonly links: LinkSet;
  readonly to: string;
  readonly payload: Uint8Array;
  /**
   * Packs the message anew once its timestamp has become old; gives nothing while it is fresh. Absent where nobody
   * looks at the timestamp.
   */
  readonly renew?: (() => Promise<Uint8Array | undefined>) | undefined;
  /** Where to try, in order; may name a broker twice. */
  readonly route: readonly Broker[];
  readonly fanOut: number;
  /** How long a long message may take from a broker to the peer, ms. */
  readonly arrivingMs: number;
  /** Called while the bytes of a long message leave, and when they have: its time counts from then. */
  readonly onLeaving: () => void;
}

/** Why something is not published that will be as soon as the rate allows. */
const OVER_RATE = "over the broker's rate";

/** Why it is not published on a broker that ended its sessions when it was. */
const TOO_LONG = "larger than this broker takes";

/** An attempt to connect that has no answer after this long is not counted on any more, ms. */
const HOPEFUL_MS = 250;

/**
 * One message on its way: published to the first brokers of its route, then to more and more of
 * them, until the first ACK settles it.
 *
 * Each broker is an attempt of its own that ends with the ACK that comes by it. The attempts of a
 * wave race each other and the wave after it: the first one that ends, ends all.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #attempts = new Map<string, Attempt>();
  readonly #acks: Acknowledgement[] = [];
  #nextWave: { start: (wave: Promise<Acknowledgement>) => void; giveUp: (error: Error) => void } | undefined;
  #failure: Error | undefined;
  #payload: Uint8Array;
  #isRenewing = false;
  /** When it was first published; monotonic ms. */
  startedAt: number | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#payload = options.payload;
  }

  /** Every ACK that came so far, one for each broker. */
  get acks(): readonly Acknowledgement[] {
    return this.#acks;
  }

  /** How long its packet is. */
  get bytes(): number {
    return this.#payload.length;
  }

  /** How often it was published. */
  get publishes(): number {
    return this.#published().reduce((sum, attempt) => sum + attempt.publishes, 0);
  }

  /** The brokers it was published on. */
  get brokersTried(): readonly Broker[] {
    return this.#published().map((attempt) => attempt.broker);
  }

  /**
   * Starts, and resolves with the first ACK.
   * @throws what {@link stop} was called with
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

  /** Lets the next brokers join in, unless the message is still on its way to one that is alive. */
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

  /** Publishes again on the brokers already used. */
  repeat(): void {
    void this.#repeat([...this.#attempts.values()]);
  }

  async #repeat(attempts: readonly Attempt[]): Promise<void> {
    const { renew } = this.#options;
    if (renew && !this.#isRenewing) {
      this.#isRenewing = true;
      // A signer or a clock that fails leaves the packet as it is.
      this.#payload = (await renew().catch(() => undefined)) ?? this.#payload;
      this.#isRenewing = false;
    }
    if (this.#nextWave) for (const attempt of attempts) attempt.publish();
  }

  /** Takes an ACK whose signature is the destination's. */
  acknowledge(ack: Acknowledgement): void {
    if (this.#acks.some(({ slot }) => slot === ack.slot)) return;
    this.#acks.push(ack);
    const attempt = this.#attempts.get(ack.slot.id);
    attempt?.measure(ack);
    // Whichever broker it came by, it settles the message.
    (attempt ?? this.#published()[0])?.resolve(ack);
  }

  /** How long a broker took from its one publish to its ACK, ms; undefined where it was published twice. */
  roundTripBy(slot: LinkSlot): number | undefined {
    return this.#attempts.get(slot.id)?.roundTripMs;
  }

  /** Gives up because its time is over. */
  expire(): void {
    this.stop(new TimeoutReached());
  }

  /** Gives up. */
  stop(error: Error): void {
    this.#failure ??= error;
    for (const attempt of this.#attempts.values()) attempt.reject(error);
    this.#nextWave?.giveUp(error);
  }

  /** What each broker did so far. */
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
   * Takes the next brokers of the route, until `fanOut` of them are usable and one is connected.
   * Brokers that are not connected are dialled, as many as `fanOut`; they join in when they are.
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
        // To be told of: it counts as none.
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

  /** Whether a broker that is connected only now may be sent to, or enough copies are on their way. */
  #mayJoin(): boolean {
    const now = monotonicNow();
    const onTheirWay = [...this.#attempts.values()].filter(
      (attempt) => attempt.isLeaving(now) || attempt.isArriving(now),
    );
    return onTheirWay.length < this.#options.fanOut;
  }

  /** Where nothing is left to hope for, the next brokers need not wait. */
  #attemptFailed(): void {
    if (![...this.#attempts.values()].some((attempt) => attempt.isPromising)) this.widen();
  }
}

/** A delivery's time is over. */
export class TimeoutReached extends Error {}

/** @returns why it was not published, if it was not */
type Publish = (slot: LinkSlot, onLeft: () => void) => string | undefined;

/** What a long message has before it. */
interface Way {
  /** Of the packet, bytes. */
  readonly length: number;
  /** How long it takes from the broker to the peer, ms. */
  readonly arrivingMs: number;
  /** Called when the broker has read all of it. */
  readonly onLeft: () => void;
  /** Whether one more copy may go out. */
  readonly mayJoin: () => boolean;
}

/** One message and one broker. */
class Attempt {
  readonly broker: Broker;
  /** Ends with the ACK that came by this broker. */
  readonly answer: Promise<Acknowledgement>;
  resolve: (ack: Acknowledgement) => void = () => {};
  reject: (error: Error) => void = () => {};
  /** Stops watching the broker. */
  cancel: () => void = () => {};
  publishes = 0;
  roundTripMs: number | undefined;
  /** Why it is not published, or not again. */
  problem: string | undefined;
  readonly #slot: LinkSlot;
  readonly #publishOn: Publish;
  readonly #way: Way;
  #publishedAt = 0;
  /** Whether it is long, and the broker has not read all of it yet. */
  #isUnread = false;
  /** When the broker had read all of it. */
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

  /** Whether an ACK may come by this broker without anything more being done. */
  get isPromising(): boolean {
    const { state } = this.#slot;
    return state === "connecting" || (state === "open" && this.publishes > 0 && !this.problem);
  }

  /** Whether its bytes are on the line to a broker that has been heard of since. */
  isLeaving(now: number): boolean {
    const { link } = this.#slot;
    const isAlive = link !== undefined && link.heardAt >= this.#publishedAt;
    return this.#isUnread && isAlive && now < this.#publishedAt + LineSpeed.longestMs(this.#way.length);
  }

  /** Whether it is long, and may still be on its way from the broker to the peer. */
  isArriving(now: number): boolean {
    return now < this.#leftAt + this.#way.arrivingMs;
  }

  /** Publishes whenever the broker is connected. */
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

  /** Publishes, if the broker is connected and its rate allows. */
  publish(): void {
    const now = monotonicNow();
    if (this.#slot.state !== "open" || this.isLeaving(now)) return;
    const publish = this.publishes;
    this.problem = this.#publishOn(this.#slot, () => {
      // Of the one that was published last.
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

  /** Publishes if that was not possible before; else the broker owes a sign of life, once. */
  insist(): void {
    if (this.publishes === 0 || this.problem === OVER_RATE) this.publish();
    else if (!this.#isChecked) this.#slot.link?.check();
    this.#isChecked = this.publishes > 0;
  }

  /** Notes the round trip, where it is certain which publish was answered (Karn's rule). */
  measure(ack: Acknowledgement): void {
    if (this.publishes === 1) this.roundTripMs = ack.at - this.#publishedAt;
  }
}
