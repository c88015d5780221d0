import { platform } from "#platform";
import { BoundedMap } from "../base/bounded-map.js";
import { be, listOf, record, type Schema } from "../base/schema.js";
import type { Family } from "../platform/platform.js";
import { aHost, aPort, type Broker, type BrokerPool, brokersOf, portsOf } from "../wire/broker-pool.js";

/**
 * Where a peer listens, in the form that peers give to each other: most trusted first, and the
 * broker need not be in the pool.
 */
export interface BrokerHint {
  /** The family as the ranking hashes it: 2 for IPv4, 10 for IPv6. */
  readonly af: 2 | 10;
  /** A host name or an address. */
  readonly host: string;
  /** One of the broker's ports: of plain MQTT, where the broker is not in the reader's pool. */
  readonly port: number;
}

/**
 * Keeps, between runs, where each address was last found. Both may be asynchronous; one that fails
 * costs a slower start and nothing else.
 *
 * Default: {@link MemoryHintStore}. For Node there is `FileHintStore` in `sidewire/node`.
 */
export interface HintStore {
  /** The brokers kept for an address (66 hex characters), best first. */
  get(address: string): readonly BrokerHint[] | undefined | Promise<readonly BrokerHint[] | undefined>;
  /** Replaces what is kept for an address. */
  set(address: string, hints: readonly BrokerHint[]): void | Promise<void>;
}

/** Keeps hints in memory, for the 1000 addresses used last. */
export class MemoryHintStore implements HintStore {
  readonly #hints = new BoundedMap<string, readonly BrokerHint[]>(MAX_KEPT);

  get(address: string): readonly BrokerHint[] | undefined {
    return this.#hints.get(address);
  }

  set(address: string, hints: readonly BrokerHint[]): void {
    this.#hints.set(address, hints);
  }

  /** Every address with its hints, the one used longest ago first. */
  entries(): IterableIterator<[string, readonly BrokerHint[]]> {
    return this.#hints.entries();
  }
}

/** How many addresses a store keeps hints for. */
export const MAX_KEPT = 1000;

/** More hints than this for one peer are not looked at: they are somebody else's word. */
export const MAX_HINTS = 6;

const readHints: Schema<BrokerHint[]> = listOf(
  record<BrokerHint>({
    af: be("2 (IPv4) or 10 (IPv6)", (value) => value === 2 || value === 10),
    host: aHost,
    port: aPort,
  }),
  MAX_HINTS,
);

/**
 * Checks hints from a caller or a store.
 * @throws {@link InvalidInputError} `INVALID_HINT`, whose `path` names the hint and the field
 */
export function parseHints(hints: unknown): BrokerHint[] {
  return readHints(hints, "INVALID_HINT", "hintBrokers");
}

/**
 * The broker that a hint names: the pool's own entry, with its credentials, when the port is one of its.
 * @param allowPrivate - whether hosts that the pool has not may be at private addresses
 * @returns undefined for a private address that is not allowed
 */
export function brokerOfHint(
  { af, host, port }: BrokerHint,
  pool: BrokerPool,
  allowPrivate: boolean,
): Broker | undefined {
  const family: Family = af === 10 ? "IPv6" : "IPv4";
  const known = brokersOf(pool, family).find((broker) => broker.host === host);
  if (known && portsOf(known).includes(port)) return known;
  const publicOnly = !known && !allowPrivate;
  return publicOnly && platform.isPrivateHost(host)
    ? undefined
    : { family, host, weight: 1, publicOnly, port };
}

/** The hint that names a broker. */
export function hintOfBroker(broker: Broker): BrokerHint {
  const [port = 0] = portsOf(broker);
  return { af: broker.family === "IPv6" ? 10 : 2, host: broker.host, port };
}
