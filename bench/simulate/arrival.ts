import { addresses } from "./addresses.js";
import { CONNECT_MS, PASSAGE_MS } from "./network.js";
import { candidatesOf, kept } from "./original.js";
import { type Peer, send, settled } from "./peer.js";
import type { Pool } from "./pools.js";
import type { Random } from "./random.js";
import { RULES, type Rules } from "./rules.js";
import { Tally } from "./tally.js";

/** The shares of the pool that a peer reaches: 100 to 10 %. */
export const REACHES: readonly number[] = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];

/** On how many brokers peers listen that keep fewer connections than the default. */
export const FRUGAL: readonly number[] = [1, 3, 6];

/** All of one pool and one reach. */
export interface Arrival {
  readonly pool: Pool;
  readonly reach: number;
  /** The share of the messages for which some broker was reachable by both. */
  readonly possible: number;
  /** The first message to a peer, and the one after it. */
  readonly first: Tally;
  readonly next: Tally;
  /** The first message to a peer that is not there. */
  readonly absent: Tally;
  /** The first message, where both listen on fewer brokers: as many as {@link FRUGAL} says. */
  readonly frugal: readonly Tally[];
  /** By the original's rule, where each peer has a speed of its own to each broker. */
  readonly original: Tally;
  /** By the original's rule, where all agree which brokers are fast. */
  readonly agreeing: Tally;
  /** On how many brokers a peer listens. */
  readonly listened: number;
  readonly listenedByOriginal: number;
}

/** How much is simulated: so many pairs of peers, and for each so many draws of what they reach. */
export interface Effort {
  readonly pairs: number;
  readonly draws: number;
}

/**
 * Sends messages between peers each of which reaches each broker by itself with the same chance.
 * A broker that is reachable at some chance is so at every higher one.
 */
export function measureArrival(pool: Pool, { pairs, draws }: Effort, random: Random): Arrival[] {
  const trials = REACHES.map((reach) => new Trials(pool, reach));
  const source = addresses(random);
  const numbers = (): number[] => Array.from({ length: pool.size }, () => random.next());
  for (let pair = 0; pair < pairs; pair++) {
    const rankings = { sender: pool.rank(source.next().value), receiver: pool.rank(source.next().value) };
    for (let draw = 0; draw < draws; draw++) {
      const luck = { sender: numbers(), receiver: numbers() };
      const delays = { sender: numbers(), receiver: numbers() };
      for (const trial of trials) trial.run(rankings, luck, delays);
    }
  }
  return trials.map((trial) => trial.result());
}

interface Both<T> {
  readonly sender: T;
  readonly receiver: T;
}

class Trials {
  readonly #pool: Pool;
  readonly #reach: number;
  readonly #first = new Tally();
  readonly #next = new Tally();
  readonly #absent = new Tally();
  readonly #frugal: readonly Tally[] = FRUGAL.map(() => new Tally());
  readonly #original = new Tally();
  readonly #agreeing = new Tally();
  #possible = 0;
  #listened = 0;
  #listenedByOriginal = 0;

  constructor(pool: Pool, reach: number) {
    this.#pool = pool;
    this.#reach = reach;
  }

  run(
    rankings: Both<readonly number[]>,
    luck: Both<readonly number[]>,
    delays: Both<readonly number[]>,
  ): void {
    const reached = (numbers: readonly number[]): boolean[] => numbers.map((number) => number < this.#reach);
    const reach = { sender: reached(luck.sender), receiver: reached(luck.receiver) };
    if (reach.sender.some((its, broker) => its && reach.receiver[broker] === true)) this.#possible++;
    this.#runLibrary(rankings, reach);
    this.#runOriginal(rankings.receiver, reach, delays);
  }

  #runLibrary(rankings: Both<readonly number[]>, reach: Both<readonly boolean[]>): void {
    const { sender, listens } = meet(rankings, reach, RULES);
    this.#listened += listens.filter(Boolean).length;
    const first = send(sender, rankings.receiver, listens, RULES);
    this.#first.add(first);
    // Where a peer answered is tried first from then on.
    const route = first.by === undefined ? rankings.receiver : [first.by, ...rankings.receiver];
    this.#next.add(send(sender, route, listens, RULES));
    const another = settled(rankings.sender, reach.sender);
    this.#absent.add(send(another, rankings.receiver, [], RULES));
    FRUGAL.forEach((listened, i) => {
      const rules = listeningOn(listened);
      const frugal = meet(rankings, reach, rules);
      this.#frugal[i]?.add(send(frugal.sender, rankings.receiver, frugal.listens, rules));
    });
  }

  #runOriginal(
    ranking: readonly number[],
    reach: Both<readonly boolean[]>,
    delays: Both<readonly number[]>,
  ): void {
    const listened = kept(ranking, reach.receiver, delays.receiver);
    this.#listenedByOriginal += listened.length;
    for (const [tally, its] of [
      [this.#original, delays.sender],
      [this.#agreeing, delays.receiver],
    ] as const) {
      const used = kept(ranking, reach.sender, its);
      const common = used.filter((broker) => listened.includes(broker)).length;
      tally.add({
        arrivedAfterMs: common > 0 ? CONNECT_MS + PASSAGE_MS : undefined,
        waves: 1,
        publishes: used.length,
        acks: common,
        dials: candidatesOf(this.#pool.size),
        connected: used.length,
      });
    }
  }

  result(): Arrival {
    const { messages } = this.#first;
    return {
      pool: this.#pool,
      reach: this.#reach,
      possible: this.#possible / messages,
      first: this.#first,
      next: this.#next,
      absent: this.#absent,
      frugal: this.#frugal,
      original: this.#original,
      agreeing: this.#agreeing,
      listened: this.#listened / messages,
      listenedByOriginal: this.#listenedByOriginal / messages,
    };
  }
}

function listeningOn(brokers: number): Rules {
  const inboundBrokers = Math.min(brokers, RULES.inboundBrokers);
  return { ...RULES, inboundBrokers, reserveBrokers: brokers - inboundBrokers };
}

/** A sender that is up, and where the receiver listens. */
function meet(
  rankings: Both<readonly number[]>,
  reach: Both<readonly boolean[]>,
  rules: Rules,
): { sender: Peer; listens: boolean[] } {
  const receiver = settled(rankings.receiver, reach.receiver, rules);
  return {
    sender: settled(rankings.sender, reach.sender, rules),
    listens: receiver.links.map((state) => state === "open"),
  };
}
