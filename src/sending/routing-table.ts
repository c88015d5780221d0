import { atMost } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import { brokerOfHint, type Hints, hintOfBroker, parseHints } from "../brokers/hints.js";
import type { Settings } from "../options.js";
import { type Broker, FAMILIES } from "../wire/broker-pool.js";
import { rankFor } from "../wire/ranking.js";
import { PeerHistory } from "./peer-history.js";

/**
 * The brokers that lead to an address: by rank, by hints, from this run, and from earlier runs. The hint store keeps
 * those of earlier runs. A store that fails only costs time.
 */
export class RoutingTable {
  readonly #settings: Settings;
  readonly #isUsable: (broker: Broker) => boolean;
  /** Hints that the store has not stored yet, the latest of each address. */
  readonly #keeping = new BoundedMap<string, Promise<void>>(MAX_KEEPING);
  /** The number of hints that were malformed or must not be dialled. */
  skippedHints = 0;
  /** Everything known from this run. */
  readonly peers: PeerHistory = new PeerHistory();

  /** @param isUsable - whether a broker offers a transport that may be used */
  constructor(settings: Settings, isUsable: (broker: Broker) => boolean) {
    this.#settings = settings;
    this.#isUsable = isUsable;
  }

  /** The usable brokers of the pool for each family, the best first. */
  rankings(address: string): Broker[][] {
    const ranking = rankFor(address, this.#settings.brokers);
    return FAMILIES.filter((family) => this.#settings.families.includes(family)).map((family) =>
      ranking[family].filter(this.#isUsable),
    );
  }

  /** The usable brokers that hints name. */
  brokersOfHints({ usable, skipped }: Hints): Broker[] {
    const { brokers, families, allowPrivateHints } = this.#settings;
    const named = usable.flatMap((hint) => brokerOfHint(hint, brokers, allowPrivateHints) ?? []);
    this.skippedHints += skipped + usable.length - named.length;
    return named.filter((broker) => families.includes(broker.family) && this.#isUsable(broker));
  }

  /** The brokers where a peer was found, the latest first. */
  foundAt(address: string): readonly Broker[] {
    return this.peers.brokersOf(address);
  }

  /** Notes that the application contacts a peer itself. From now on its brokers are stored. */
  seek(address: string): void {
    const isNew = !this.peers.isSought(address);
    this.peers.seek(address);
    const found = this.peers.brokersOf(address);
    if (isNew && found.length > 0) this.keep(address, found);
  }

  /**
   * Notes that a peer was found at a broker. The broker is stored only if the application has contacted the peer
   * itself: a peer that was only answered shows its broker again with its next message.
   */
  found(address: string, broker: Broker): void {
    const isChange = this.peers.found(address, broker);
    if (isChange && this.peers.isSought(address)) this.keep(address, this.peers.brokersOf(address));
  }

  /** The usable brokers that were stored for an address. */
  async kept(address: string): Promise<Broker[]> {
    try {
      const hints = await atMost(STORE_PATIENCE_MS, this.#settings.hintStore.get(address));
      return this.brokersOfHints(parseHints(hints ?? []));
    } catch {
      return [];
    }
  }

  /** Takes over the stored brokers of a peer, unless the peer was found in this run. */
  async recall(address: string): Promise<void> {
    if (this.foundAt(address).length > 0) return;
    const kept = await this.kept(address);
    if (this.foundAt(address).length > 0) return;
    for (const broker of kept.reverse()) this.peers.found(address, broker);
  }

  /** Stores the brokers of an address. */
  keep(address: string, brokers: readonly Broker[]): void {
    const hints = brokers.map(hintOfBroker);
    const keeping = (async () => this.#settings.hintStore.set(address, hints))()
      .catch(() => {})
      .then(() => {
        if (this.#keeping.get(address) === keeping) this.#keeping.delete(address);
      });
    this.#keeping.set(address, keeping);
  }

  /** Resolves when the store has stored everything. */
  async settled(): Promise<void> {
    await Promise.all(this.#keeping.values());
  }
}

/** The maximum number of addresses that wait for a store that hangs. */
const MAX_KEEPING = 1000;

/** How long the store may take to return its hints, in ms. */
const STORE_PATIENCE_MS = 1000;

/** Takes one item of each list in turn: a₁ b₁ a₂ b₂ … */
export function interleave<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}
