import { addresses } from "./addresses.js";
import type { Pool } from "./pools.js";
import type { Random } from "./random.js";
import { LISTENED, RULES } from "./rules.js";
import { chiSquare, chiSquareLimit, deviation, mean, sum } from "./statistics.js";

/** How many destinations have each broker of a pool where. */
export interface Load {
  readonly pool: Pool;
  readonly destinations: number;
  /** In the first place. */
  readonly first: readonly number[];
  /** Among those that a message goes to at once. */
  readonly sent: readonly number[];
  /** Among those that a peer listens on. */
  readonly listened: readonly number[];
}

export function measureLoad(pool: Pool, destinations: number, random: Random): Load {
  const count = (): number[] => Array<number>(pool.size).fill(0);
  const [first, sent, listened] = [count(), count(), count()];
  const source = addresses(random);
  for (let i = 0; i < destinations; i++) {
    pool.rank(source.next().value).forEach((broker, place) => {
      if (place === 0) add(first, broker);
      if (place < RULES.fanOut) add(sent, broker);
      if (place < LISTENED) add(listened, broker);
    });
  }
  return { pool, destinations, first, sent, listened };
}

/** How many destinations each broker should have in the first place: its share of the weight. */
export function expectedFirst({ pool, destinations }: Load): number[] {
  const total = sum(pool.weights);
  return pool.weights.map((weight) => (destinations * weight) / total);
}

/** How evenly a load is spread, against what chance allows. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
  /** What the deviation of a fair lottery would be. */
  readonly fairDeviation: number;
  readonly maxOverMean: number;
  readonly chiSquare: number;
  readonly chiSquareLimit: number;
}

/** For pools of equal weights. */
export function spreadOf(load: Load): Spread {
  const { first, destinations, pool } = load;
  const share = 1 / pool.size;
  return {
    mean: mean(first),
    deviation: deviation(first),
    fairDeviation: Math.sqrt(destinations * share * (1 - share)),
    maxOverMean: maxOverMean(first),
    chiSquare: chiSquare(first, expectedFirst(load)),
    chiSquareLimit: chiSquareLimit(pool.size - 1),
  };
}

export function maxOverMean(counts: readonly number[]): number {
  return Math.max(...counts) / mean(counts);
}

function add(counts: number[], at: number): void {
  counts[at] = (counts[at] ?? 0) + 1;
}
