import { Alarm, monotonicNow, NEVER, timer } from "../base/alarm.js";
import { NoBrokerError, type SidewireError } from "../base/errors.js";
import { addressOf, type Broker } from "../wire/broker-pool.js";
import type { LinkSet } from "./link-set.js";
import type { LinkSlot } from "./link-slot.js";

export interface InboundSetOptions {
  /** For each family, the usable brokers in the order of the own ranking. */
  readonly rankings: readonly (readonly Broker[])[];
  /** How many of each family others are told of. */
  readonly inboundBrokers: number;
  /** How many more of each family are listened on. */
  readonly reserveBrokers: number;
}

/**
 * The pause between two dials of one family: short as long as others cannot be told of enough brokers, and none
 * after one that failed or stays silent. One after the other, so that the first to answer is not held up by the rest.
 * Where nobody answers at once, there is nothing to hold up, and a start does not wait for brokers that swallow its
 * attempts.
 */
const FIRST_PACE_MS = 10;
const PACE_MS = 100;

/** An attempt without an answer after this long is no longer counted on. */
const HOPEFUL_MS = 1000;

/** How long better brokers must stay connected before their substitutes are let go. */
const SETTLE_MS = 10_000;

/** How far down a ranking brokers are held at most: where so many fail, it is the network that is down. */
const MAX_HELD = 64;

/** Somebody who waits for the first broker. */
interface Waiter {
  readonly since: number;
  readonly isOver: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: SidewireError) => void;
}

/** One family: its ranking, and how far down brokers are held. */
interface Front {
  readonly ranking: readonly Broker[];
  held: number;
  grownAt: number;
}

/**
 * Keeps a router reachable: of each family the best-ranked brokers that work are held connected.
 * What is held is always the head of the ranking, as far down as it takes for enough of them to
 * work: it grows by the next when one fails, and shrinks again when the better one is back for a while.
 *
 * The first `inboundBrokers` that work are what others are told of. The `reserveBrokers` behind them
 * make a failure cost no dialling, and let a peer through that reaches none of the first.
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
   * Starts, and goes on until {@link close}.
   * @param remembered - brokers that worked last time: the first is dialled at once, let go when the ranking is up
   */
  start(remembered: readonly Broker[]): void {
    // With the others it would share its time.
    this.#remembered = remembered.slice(0, 1);
    for (const broker of this.#remembered) this.#links.hold(broker, REMEMBERED);
    // It has a head start.
    if (remembered.length > 0) for (const front of this.#fronts) front.grownAt = monotonicNow();
    this.#running = true;
    this.changed();
  }

  /**
   * Resolves with the first broker that is listened on.
   * @param since - what failed before this time (monotonic ms) may still come up
   * @param isOver - what is waited for, if it is something else
   * @throws {@link NoBrokerError} once every broker has failed, or the time is over
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

  /** To be called when the state of a broker has changed. */
  changed(): void {
    // Holding a broker changes its state, which is the review's own doing.
    if (!this.#running || this.#reviewing) return;
    this.#alarm.set(this.#review(monotonicNow()));
    this.#waiting = this.#waiting.filter(({ since, isOver, resolve, reject }) => {
      if (isOver()) resolve();
      else if (this.#fronts.every((front) => this.#hasFailed(front, since))) reject(this.failure());
      else return true;
      return false;
    });
  }

  /** The brokers that others are told of, for each family, best first. */
  listening(): Broker[][] {
    return this.#fronts.map((front) =>
      this.#held(front)
        .filter(isOpen)
        .slice(0, this.#inboundBrokers)
        .map(({ broker }) => broker),
    );
  }

  /** What a broker is for: told to others, listened on in reserve, or neither. */
  roleOf(slot: LinkSlot): "inbound" | "reserve" | "outbound" {
    const isIt = (broker: Broker): boolean => this.#links.find(broker) === slot;
    if (this.listening().flat().some(isIt)) return "inbound";
    const isHeld = this.#fronts.some((front) => this.#held(front).includes(slot));
    return isHeld || this.#remembered.some(isIt) ? "reserve" : "outbound";
  }

  /** Every broker's reason for not working. */
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

  /** @param error - what those who wait for the first broker are told */
  close(error: SidewireError): void {
    this.#running = false;
    this.#alarm.clear();
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  /** Grows and shrinks what is held; returns when to look again. */
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
    // What is connected for another address costs no dialling.
    const isConnected = next !== undefined && this.#links.isConnected(next);
    if (next !== undefined && (isConnected || front.grownAt + paceMs <= now)) {
      this.#links.hold(next, front);
      front.held++;
      if (isConnected) return this.#reviewFront(front, now);
      front.grownAt = now;
    }
    // Of what was dialled just now nothing is known yet.
    return front.grownAt + (paceMs || FIRST_PACE_MS);
  }

  /** How long to wait for what was dialled of a family, as long as too little of it is open. */
  #firstPaceMs(held: readonly LinkSlot[], now: number): number {
    const dialled = [...this.#remembered.map((broker) => this.#links.find(broker)), ...held];
    const isAnswering = dialled.some(
      ({ state, heardAt }) => state === "connecting" && now - heardAt < FIRST_PACE_MS,
    );
    const last = dialled.at(-1);
    const isHopeless = last !== undefined && (last.isSilent || last.state === "waiting");
    return isHopeless && !isAnswering ? 0 : FIRST_PACE_MS;
  }

  /** Lets go, from the end, what stands behind enough brokers that have been up for a while. */
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

  /** The slots of what is held of a family, best first. */
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

  /** Somewhere, for whoever sends to us: what is open for our own sends alone does not count. */
  #isListening(): boolean {
    const remembered = this.#remembered.map((broker) => this.#links.find(broker));
    return [remembered, ...this.#fronts.map((front) => this.#held(front))].flat().some(isOpen);
  }
}

/** Holds brokers that worked last time, until the ranking is up. */
const REMEMBERED = "remembered";

function isOpen(slot: LinkSlot): boolean {
  return slot.state === "open";
}

function isHopeful(slot: LinkSlot, now: number): boolean {
  return slot.state === "connecting" && now - slot.dialledAt < HOPEFUL_MS;
}
