import { type Arrival, measureArrival } from "./arrival.js";
import { type Load, measureLoad } from "./load.js";
import { churn, joinWeighted, type Moves, measureMoves } from "./moves.js";
import { bundledPool, evenPool, type Pool, weightedPool } from "./pools.js";
import { Random } from "./random.js";

/** How much is simulated. */
export interface Sizes {
  /** Destinations, by the pool. */
  readonly load: { readonly weighted: number; readonly even: Readonly<Record<EvenSize, number>> };
  readonly moves: Readonly<Record<EvenSize, number>>;
  /** Pairs of peers; each draws several times what it reaches. */
  readonly pairs: Readonly<Record<EvenSize, number>>;
}

/** The sizes of pools. The one of 11 is the pool that comes with the package. */
export type EvenSize = 11 | 30 | 100 | 1000;

const EVEN_SIZES: readonly EvenSize[] = [11, 30, 100, 1000];

/** A million destinations in a minute or two on one core. */
export const QUICK: Sizes = {
  load: { weighted: 1_000_000, even: { 11: 100_000, 30: 100_000, 100: 20_000, 1000: 3000 } },
  moves: { 11: 30_000, 30: 30_000, 100: 10_000, 1000: 1000 },
  pairs: { 11: 3000, 30: 3000, 100: 1000, 1000: 300 },
};

/** Several times as many where that is few, among them ten thousand in a pool of a thousand. */
export const FULL: Sizes = {
  load: { weighted: 1_000_000, even: { 11: 1_000_000, 30: 1_000_000, 100: 100_000, 1000: 10_000 } },
  moves: { 11: 200_000, 30: 200_000, 100: 50_000, 1000: 5000 },
  pairs: { 11: 20_000, 30: 20_000, 100: 5000, 1000: 1000 },
};

const DRAWS_PER_PAIR = 5;

/** Everything that was found. */
export interface Answers {
  readonly weighted: Load;
  readonly even: readonly Load[];
  readonly moves: readonly Moves[];
  readonly arrivals: readonly (readonly Arrival[])[];
}

/** @param tell - called with what is being done */
export function answer(seed: number, sizes: Sizes, tell: (what: string) => void): Answers {
  const random = (name: string): Random => new Random(seed, name);
  const pools = EVEN_SIZES.map((size): [EvenSize, Pool] => [
    size,
    size === 11 ? bundledPool() : evenPool(size),
  ]);

  tell(`load: ${sizes.load.weighted} destinations in a weighted pool`);
  const weighted = measureLoad(weightedPool(), sizes.load.weighted, random("weighted"));
  const even = pools.map(([size, pool]) => {
    const destinations = sizes.load.even[size];
    tell(`load: ${destinations} destinations in a pool of ${size}`);
    return measureLoad(pool, destinations, random(`load ${size}`));
  });

  const moves = EVEN_SIZES.flatMap((size) => {
    tell(`moves: ${sizes.moves[size]} destinations in a pool of ${size}`);
    // One of a thousand would move too few of so many destinations to be counted.
    return measureMoves(churn(size, Math.max(1, size / 100)), sizes.moves[size], random(`moves ${size}`));
  });
  tell("moves: a weighted pool");
  const heavier = joinWeighted(weightedPool().weights, 8);
  moves.push(...measureMoves(heavier, sizes.moves[30], random("moves weighted")));

  const arrivals = pools.map(([size, pool]) => {
    tell(`arrival: a pool of ${size}`);
    const effort = { pairs: sizes.pairs[size], draws: DRAWS_PER_PAIR };
    return measureArrival(pool, effort, random(`arrival ${size}`));
  });
  return { weighted, even, moves, arrivals };
}
