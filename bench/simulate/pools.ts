import { type BrokerPool, defaultBrokers, parseBrokerPool } from "sidewire";
import { rankFor } from "../../src/wire/ranking.js";

/** The weights of {@link weightedPool}: how many brokers of each. */
const WEIGHTS: readonly (readonly [weight: number, brokers: number])[] = [
  [1, 8],
  [2, 6],
  [4, 4],
  [8, 2],
];

/** One family of a pool, as a simulation looks at it: brokers are numbers, in the pool's order. */
export class Pool {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly weights: readonly number[];
  readonly #pool: BrokerPool;
  readonly #indices: ReadonlyMap<string, number>;

  constructor(name: string, pool: BrokerPool) {
    const entries = Object.entries(pool.IPv4 ?? {});
    this.name = name;
    this.hosts = entries.map(([host]) => host);
    this.weights = entries.map(([, { weight = 1 }]) => weight);
    // One family is enough: the two are ranked apart, each in the same way.
    this.#pool = pool.IPv4 === undefined ? {} : { IPv4: pool.IPv4 };
    this.#indices = new Map(this.hosts.map((host, i) => [host, i]));
  }

  get size(): number {
    return this.hosts.length;
  }

  /** The brokers for a destination, best first: `rankBrokers` without its check, for an address that is one. */
  rank(address: string): number[] {
    return rankFor(address, this.#pool).IPv4.map(({ host }) => this.#indices.get(host) ?? -1);
  }

  /** A pool without some of its brokers. */
  without(left: ReadonlySet<string>): Pool {
    const rest = Object.entries(this.#pool.IPv4 ?? {}).filter(([host]) => !left.has(host));
    return new Pool(this.name, { IPv4: Object.fromEntries(rest) });
  }
}

/** The pool that comes with the package. */
export function bundledPool(): Pool {
  return new Pool("bundled", defaultBrokers);
}

/** A pool of as many brokers, all of weight 1. */
export function evenPool(size: number): Pool {
  return poolOf(`${size} equal`, Array<number>(size).fill(1));
}

/** 20 brokers of weights 1, 2, 4 and 8. */
export function weightedPool(): Pool {
  return poolOf(
    "weighted",
    WEIGHTS.flatMap(([weight, brokers]) => Array<number>(brokers).fill(weight)),
  );
}

/** A pool of brokers with these weights. */
export function poolOf(name: string, weights: readonly number[]): Pool {
  const entries = weights.map((weight, i) => [`broker-${i + 1}.example.net`, { port: 1883, weight }]);
  return new Pool(name, parseBrokerPool({ IPv4: Object.fromEntries(entries) }));
}
