import { type Broker, FAMILIES } from "./broker-pool.js";
import { InvalidInputError } from "./errors.js";
import { type BrokerHint, brokerOfHint, hintOfBroker, parseHints } from "./hints.js";
import type { Settings } from "./options.js";
import { PeerBook } from "./peer-book.js";
import { rankFor } from "./ranking.js";

/**
 * Which brokers lead to an address: by rank, by hints, from this run, and from the runs before,
 * which the hint store keeps. A store that fails has kept nothing, and costs time, nothing else.
 */
export class AddressBook {
  readonly #settings: Settings;
  readonly #isUsable: (broker: Broker) => boolean;
  readonly #peers = new PeerBook();

  /** @param isUsable - whether a broker speaks a transport that may be used */
  constructor(settings: Settings, isUsable: (broker: Broker) => boolean) {
    this.#settings = settings;
    this.#isUsable = isUsable;
  }

  /** The usable brokers of the pool for each family, best first. */
  rankings(address: string): Broker[][] {
    const ranking = rankFor(address, this.#settings.brokers);
    return FAMILIES.filter((family) => this.#settings.families.includes(family)).map((family) =>
      ranking[family].filter(this.#isUsable),
    );
  }

  /**
   * Tells a caller whose hints cannot be used at all.
   * @throws {@link InvalidInputError} `INVALID_HINT` when every one is at a private address
   */
  checkHints(hints: readonly BrokerHint[]): void {
    const { brokers, allowPrivateHints } = this.#settings;
    if (hints.length === 0) return;
    if (hints.some((hint) => brokerOfHint(hint, brokers, allowPrivateHints) !== undefined)) return;
    throw new InvalidInputError(
      "INVALID_HINT",
      "hintBrokers",
      "all at private addresses that the pool has not; allowPrivateHints dials them",
    );
  }

  /** The usable brokers that hints name. */
  brokersOfHints(hints: readonly BrokerHint[]): Broker[] {
    const { brokers, families, allowPrivateHints } = this.#settings;
    return hints
      .flatMap((hint) => brokerOfHint(hint, brokers, allowPrivateHints) ?? [])
      .filter((broker) => families.includes(broker.family) && this.#isUsable(broker));
  }

  /** Where a peer was found, the latest first. */
  foundAt(address: string): readonly Broker[] {
    return this.#peers.brokersOf(address);
  }

  /** A peer's usual round trip in ms, once it is known. */
  roundTripMs(address: string): number | undefined {
    return this.#peers.roundTripMs(address);
  }

  /** Notes that a peer is to be found on a broker, and keeps it. */
  found(address: string, broker: Broker): void {
    if (this.#peers.found(address, broker)) this.keep(address, this.#peers.brokersOf(address));
  }

  /** Notes the round trip of a message that was published once. */
  measured(address: string, roundTripMs: number): void {
    this.#peers.measured(address, roundTripMs);
  }

  /** The usable brokers that the store kept for an address. */
  async kept(address: string): Promise<Broker[]> {
    try {
      const hints = await this.#settings.hintStore.get(address);
      return hints === undefined ? [] : this.brokersOfHints(parseHints(hints));
    } catch {
      return [];
    }
  }

  /** Takes over what the store kept of a peer, unless it was met in this run. */
  async recall(address: string): Promise<void> {
    if (this.foundAt(address).length > 0) return;
    const kept = await this.kept(address);
    if (this.foundAt(address).length > 0) return;
    for (const broker of kept.reverse()) this.#peers.found(address, broker);
  }

  /** Stores the brokers of an address. */
  keep(address: string, brokers: readonly Broker[]): void {
    const hints = brokers.map(hintOfBroker);
    void (async () => this.#settings.hintStore.set(address, hints))().catch(() => {});
  }
}

/** One of each in turn: a₁ b₁ a₂ b₂ … */
export function interleave<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
