import { addresses } from "./addresses.js";
import { evenPool, type Pool, poolOf } from "./pools.js";
import type { Random } from "./random.js";
import { RULES } from "./rules.js";
import { sum } from "./statistics.js";

/** What a change of a pool did to the destinations. */
export interface Moves {
  readonly destinations: number;
  /** Of how many brokers to how many. */
  readonly from: number;
  readonly to: number;
  /** How many destinations have another broker in the first place. */
  readonly first: number;
  readonly idealFirst: number;
  /** How many have other brokers among those that a message goes to at once. */
  readonly top: number;
  readonly idealTop: number;
  /** How many lost a broker that stayed to one that had been there before: no hashing has to do that. */
  readonly needless: number;
}

/** A pool, and what it may become. */
export interface Change {
  readonly before: Pool;
  readonly afters: readonly Pool[];
}

/** A pool of equals that so many brokers join, or leave from its middle. */
export function churn(size: number, changing: number): Change {
  const before = evenPool(size);
  const from = Math.floor((size - changing) / 2);
  const leaving = new Set(before.hosts.slice(from, from + changing));
  return { before, afters: [evenPool(size + changing), before.without(leaving)] };
}

/** A broker of this weight joins a pool of these weights. */
export function joinWeighted(weights: readonly number[], weight: number): Change {
  return { before: poolOf("before", weights), afters: [poolOf("after", [...weights, weight])] };
}

/** @returns what each of the changes did to the same destinations */
export function measureMoves({ before, afters }: Change, destinations: number, random: Random): Moves[] {
  const counters = afters.map((after) => new Counter(before, after));
  const longest = Math.max(...counters.map(({ top }) => top));
  const source = addresses(random);
  for (let i = 0; i < destinations; i++) {
    const address = source.next().value;
    const was = best(before, address, longest);
    for (const counter of counters) counter.count(address, was);
  }
  return counters.map((counter) => counter.result());
}

/** Counts what one change does. */
class Counter {
  /** How many of the best are looked at. */
  readonly top: number;
  readonly #before: Pool;
  readonly #after: Pool;
  readonly #stayed: ReadonlySet<string>;
  #destinations = 0;
  #first = 0;
  #top = 0;
  #needless = 0;

  constructor(before: Pool, after: Pool) {
    this.#before = before;
    this.#after = after;
    this.#stayed = new Set(before.hosts.filter((host) => after.hosts.includes(host)));
    this.top = Math.min(RULES.fanOut, before.size, after.size);
  }

  count(address: string, longestBefore: readonly string[]): void {
    const was = longestBefore.slice(0, this.top);
    const is = best(this.#after, address, this.top);
    const lost = was.filter((host) => !is.includes(host));
    const won = is.filter((host) => !was.includes(host));
    const stayed = (host: string): boolean => this.#stayed.has(host);
    this.#destinations++;
    if (was[0] !== is[0]) this.#first++;
    if (lost.length > 0) this.#top++;
    if (lost.some(stayed) && won.some(stayed)) this.#needless++;
  }

  result(): Moves {
    return {
      destinations: this.#destinations,
      from: this.#before.size,
      to: this.#after.size,
      first: this.#first / this.#destinations,
      idealFirst: idealFirst(this.#before, this.#after, this.#stayed),
      top: this.#top / this.#destinations,
      idealTop: idealTop(this.#before, this.#after, this.top),
      needless: this.#needless,
    };
  }
}

function best(pool: Pool, address: string, count: number): string[] {
  return pool
    .rank(address)
    .slice(0, count)
    .map((broker) => pool.hosts[broker] ?? "");
}

/** The share of the weight that came or went. */
function idealFirst(before: Pool, after: Pool, stayed: ReadonlySet<string>): number {
  const larger = before.size > after.size ? before : after;
  const changed = larger.weights.filter((_, i) => !stayed.has(larger.hosts[i] ?? ""));
  return sum(changed) / sum(larger.weights);
}

/** The chance that none of the changed brokers is among the best, for equal weights; else NaN. */
function idealTop(before: Pool, after: Pool, top: number): number {
  const larger = before.size > after.size ? before : after;
  if (new Set(larger.weights).size > 1) return Number.NaN;
  const same = Math.min(before.size, after.size);
  let untouched = 1;
  for (let i = 0; i < top; i++) untouched *= (same - i) / (larger.size - i);
  return 1 - untouched;
}

/** What would move if a destination's broker were its hash modulo their number. */
export function moduloMoves({ from, to }: Pick<Moves, "from" | "to">): number {
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  return 1 - (Math.min(from, to) * divisor(from, to)) / (from * to);
}
