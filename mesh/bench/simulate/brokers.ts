import { defaultBrokers } from "sidewire";
import { measureArrival } from "../../../bench/simulate/arrival.js";
import { bundledPool } from "../../../bench/simulate/pools.js";
import { Random } from "../../../bench/simulate/random.js";

/** What one message over the bundled brokers costs, where all of them can be reached: from the library's simulation. */
export interface BrokerCosts {
  /** Publishes of the sender, to a peer that is there. The ACKs of the peer are as many. */
  readonly present: number;
  /** As {@link present}, to a peer that is not there. */
  readonly absent: number;
}

export function brokerCosts(): BrokerCosts {
  const [all] = measureArrival(bundledPool(), { pairs: 20, draws: 1 }, new Random(1, "costs"));
  if (all === undefined) throw new Error("no arrivals");
  return { present: all.first.publishes / 2, absent: all.absent.wasted };
}

/** One way over a broker, ms: from this on, and so much more by chance. Our own choice. */
export const BROKER_MS = 100;
export const BROKER_JITTER_MS = 100;
/** A message that nobody acknowledged is given up after this, ms: sidewire's default. */
export const GIVEN_UP_MS = 4000;

/** Of what may be published at once, own messages leave a quarter to ACKs (sidewire). */
const OWN_SHARE = 0.75;

const RATES = Object.values(defaultBrokers.IPv4 ?? {}).map(({ rate }) => rate);
const PER_MS: number = RATES.reduce((sum, rate) => sum + (rate?.perSecond ?? 0), 0) / 1000;
const AT_ONCE: number = RATES.reduce((sum, rate) => sum + (rate?.burst ?? 0), 0) * OWN_SHARE;

/** When one host's publishes leave: the rates of all bundled brokers together, as if each message could take any. */
export class BrokerTurns {
  readonly #costs: BrokerCosts;
  /** When all that was published is paid for. */
  #paidAt = Number.NEGATIVE_INFINITY;
  messages = 0;
  publishes = 0;

  constructor(costs: BrokerCosts) {
    this.#costs = costs;
  }

  /** @returns when a message leaves */
  take(isPresent: boolean, now: number): number {
    const publishes = isPresent ? this.#costs.present : this.#costs.absent;
    this.messages++;
    this.publishes += publishes;
    this.#paidAt = Math.max(this.#paidAt, now) + publishes / PER_MS;
    return Math.max(now, this.#paidAt - AT_ONCE / PER_MS);
  }
}
