import { Alarm, monotonicNow, NEVER, timer } from "../base/alarm.js";
import { NoBrokerError, type SidewireError } from "../base/errors.js";
import { addressOf, type Broker } from "../wire/broker-pool.js";
import type { LinkSet } from "./link-set.js";
import type { LinkSlot } from "./link-slot.js";

export interface InboundSetOptions {
  /** The usable brokers of each family, in the order of the own ranking. */
  readonly rankings: readonly (readonly Broker[])[];
  /** How many brokers of each family other peers are told of. */
  readonly inboundBrokers: number;
  /** How many more brokers of each family the router listens on. */
  readonly reserveBrokers: number;
}

/**
 * The pause between two dials of one family, in ms. The short pause holds while too few brokers are open that other
 * peers can be told of. There is no pause after a broker that failed or stays silent.
 *
 * Brokers are dialled one after the other, so that the first answer does not share its time with other dials. When no
 * broker answers at once, a start does not wait for brokers that swallow connection attempts.
 */
const FIRST_PACE_MS = 10;
const PACE_MS = 100;

/** An attempt without an answer after this time no longer counts as a broker that may open, in ms. */
const HOPEFUL_MS = 1000;

/** How long better brokers must stay connected before their substitutes are released, in ms. */
const SETTLE_MS = 10_000;

/**
 * The maximum number of brokers that are held of one ranking. When so many brokers fail, the network itself is down.
 */
const MAX_HELD = 64;

/** A caller that waits for the first broker. */
interface Waiter {
  readonly since: number;
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: SidewireError) => void;
}

/** The state of one family: the ranking, and how many brokers from its head are held. */
interface Front {
  readonly ranking: readonly Broker[];
  held: number;
  grownAt: number;
}

/**
 * Keeps a router reachable: holds connections to the best-ranked brokers of each family that work. The held brokers are
 * always the head of the ranking, as many as are needed for enough of them to work. When a broker fails, the next
 * broker is added. When the better broker has been back for a while, the last one is released.
 *
 * Other peers are told of the first `inboundBrokers` that work. The `reserveBrokers` behind them have two uses. After a
 * failure the substitute is connected already. And a peer that reaches none of the first brokers can use one of these.
 */
export class InboundSet {
  readonly #links: LinkSet;
  readonly #inboundBrokers: number;
  readonly #reserveBrokers: number;
  readonly #fronts: readonly Front[];
  readonly #alarm: Alarm = new Alarm((now) => this.#review(now));
  #remembered: readonly Broker[] = [];
  #waiting: Waiter[] = [];
  #running = false;
  #reviewing = false;

  constructor(links: LinkSet, options: InboundSetOptions) {
    this.#links = links;
    this.#inboundBrokers = options.inboundBrokers;
    this.#reserveBrokers = options.reserveBrokers;
    this.#fronts = options.rankings.map((ranking) => ({
      ranking: ranking.slice(0, MAX_HELD).map((broker) => links.same(broker)),
      held: 0,
      grownAt: -NEVER,
    }));
  }

  /**
   * Starts. The set then works until {@link close}.
   * @param remembered - brokers that worked last time. The first of them is dialled at once, and released when enough
   * brokers of the ranking are open
   */
  start(remembered: readonly Broker[]): void {
    // Only one: more connections would share the time of the first one.
    this.#remembered = remembered.slice(0, 1);
    for (const broker of this.#remembered) this.#links.hold(broker, REMEMBERED);
    // The remembered broker gets a head start.
    if (remembered.length > 0) for (const front of this.#fronts) front.grownAt = monotonicNow();
    this.#running = true;
    this.changed();
  }

  /**
   * Resolves when the router listens on the first broker.
   * @param since - monotonic ms; a broker that failed only before this time may still come up
   * @param isOver - another condition to wait for instead
   * @throws {@link NoBrokerError} when every broker has failed, or the timeout is over
   */
  async firstOpen(
    since: number,
    timeoutMs: number,
    isOver: () => boolean = () => this.#isListening(),
  ): Promise<void> {
    const { over, stop } = timer(timeoutMs);
    await new Promise<void>((resolve, reject) => {
      this.#waiting.push({ since, isOver, resolve, reject });
      void over.then(() => reject(this.failure()));
      this.changed();
    }).finally(stop);
  }

  /** Must be called when the state of a broker has changed. */
  changed(): void {
    // Holding a broker changes its state. Such a change comes from the review itself.
    if (!this.#running || this.#reviewing) return;
    this.#alarm.set(this.#review(monotonicNow()));
    this.#waiting = this.#waiting.filter(({ since, isOver, resolve, reject }) => {
      if (isOver()) resolve();
      else if (this.#fronts.every((front) => this.#hasFailed(front, since))) reject(this.failure());
      else return true;
      return false;
    });
  }

  /** The brokers that other peers are told of, for each family, the best first. */
  listening(): Broker[][] {
    return this.#fronts.map((front) =>
      this.#held(front)
        .filter(isOpen)
        .slice(0, this.#inboundBrokers)
        .map(({ broker }) => broker),
    );
  }

  /** The role of a broker: told to other peers, listened on in reserve, or neither. */
  roleOf(slot: LinkSlot): "inbound" | "reserve" | "outbound" {
    const isIt = (broker: Broker): boolean => this.#links.find(broker) === slot;
    if (this.listening().flat().some(isIt)) return "inbound";
    const isHeld = this.#fronts.some((front) => this.#held(front).includes(slot));
    return isHeld || this.#remembered.some(isIt) ? "reserve" : "outbound";
  }

  /** The error with the reason for each broker. */
  failure(): NoBrokerError {
    const brokers = this.#fronts.flatMap(({ ranking }) =>
      ranking.map((broker) => {
        const slot = this.#links.find(broker);
        const noReason = slot.state === "idle" ? "not tried yet" : "no answer yet";
        return { ...addressOf(broker), error: slot.lastError?.message ?? noReason };
      }),
    );
    return new NoBrokerError(brokers);
  }

  /** @param error - the error for the callers that wait for the first broker */
  close(error: SidewireError): void {
    this.#running = false;
    this.#alarm.clear();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Adds and releases brokers as needed. Returns the time of the next review. */
  #review(now: number): number {
    this.#reviewing = true;
    this.#links.urgent = !this.#isListening();
    const times = this.#fronts.map((front) => this.#reviewFront(front, now));
    if (this.listening().some((brokers) => brokers.length === this.#inboundBrokers)) {
      for (const broker of this.#remembered) this.#links.release(broker, REMEMBERED);
      this.#remembered = [];
    }
    this.#reviewing = false;
    return Math.min(...times, NEVER);
  }

  #reviewFront(front: Front, now: number): number {
    const enough = this.#inboundBrokers + this.#reserveBrokers;
    const held = this.#held(front);
    const open = held.filter(isOpen).length;
    if (open + held.filter((slot) => isHopeful(slot, now)).length >= enough)
      return this.#shrink(front, enough, now);
    if (front.held === front.ranking.length) return NEVER;
    const paceMs = open < this.#inboundBrokers ? this.#firstPaceMs(held, now) : PACE_MS;
    const [next] = front.ranking.slice(front.held);
    // A broker that is connected for another address costs no dialling.
    const isConnected = next !== undefined && this.#links.isConnected(next);
    if (next !== undefined && (isConnected || front.grownAt + paceMs <= now)) {
      this.#links.hold(next, front);
      front.held++;
      if (isConnected) return this.#reviewFront(front, now);
      front.grownAt = now;
    }
    // Nothing is known yet of a broker that was dialled just now.
    return front.grownAt + (paceMs || FIRST_PACE_MS);
  }

  /** The pause after the last dial of a family, while too few of its brokers are open. */
  #firstPaceMs(held: readonly LinkSlot[], now: number): number {
    const dialled = [...this.#remembered.map((broker) => this.#links.find(broker)), ...held];
    const isAnswering = dialled.some(
      ({ state, heardAt }) => state === "connecting" && now - heardAt < FIRST_PACE_MS,
    );
    const last = dialled.at(-1);
    const isHopeless = last !== undefined && (last.isSilent || last.state === "waiting");
    return isHopeless && !isAnswering ? 0 : FIRST_PACE_MS;
  }

  /** Releases brokers from the end, as long as enough better brokers have been open for a while. */
  #shrink(front: Front, enough: number, now: number): number {
    for (;;) {
      const better = this.#held({ ...front, held: front.held - 1 }).filter(isOpen);
      if (better.length < enough) return NEVER;
      if (better.filter((slot) => now - slot.openedAt >= SETTLE_MS).length < enough) return now + SETTLE_MS;
      front.held--;
      for (const broker of front.ranking.slice(front.held, front.held + 1))
        this.#links.release(broker, front);
    }
  }

  /** The slots of the held brokers of a family, the best first. */
  #held(front: Front): LinkSlot[] {
    return front.ranking.slice(0, front.held).map((broker) => this.#links.find(broker));
  }

  #hasFailed({ ranking, held }: Front, since: number): boolean {
    const failed = (broker: Broker): boolean => {
      const { lastError, failedAt } = this.#links.find(broker);
      return lastError !== undefined && failedAt >= since;
    };
    return held === ranking.length && ranking.every(failed);
  }

  /**
   * Whether the router listens on any broker, so that others can send to it. A connection only for own sends does not
   * count.
   */
  #isListening(): boolean {
    const remembered = this.#remembered.map((broker) => this.#links.find(broker));
    return [remembered, ...this.#fronts.map((front) => this.#held(front))].flat().some(isOpen);
  }
}

/** The holder of brokers that worked last time. */
const REMEMBERED = "remembered";

function isOpen(slot: LinkSlot): boolean {
  return slot.state === "open";
}

function isHopeful(slot: LinkSlot, now: number): boolean {
  return slot.state === "connecting" && now - slot.dialledAt < HOPEFUL_MS;
}
