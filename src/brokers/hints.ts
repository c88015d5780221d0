import { platform } from "#platform";
import { BoundedMap } from "../base/bounded-map.js";
import { check, got, isRecord } from "../base/schema.js";
import type { Family } from "../platform/platform.js";
import {
  type Broker,
  type BrokerPool,
  brokersOf,
  isHost,
  isMisplaced,
  isPort,
  portsOf,
} from "../wire/broker-pool.js";

/**
 * Where a peer listens, in the form that peers give to each other: most trusted first, and the
 * broker need not be in the pool.
 */
export interface BrokerHint {
  /**
   * The family: 2 for IPv4, 10 for IPv6, as the ranking hashes it. Taken for IPv6 as well: 23, 24, 26, 28 and 30,
   * its numbers on Windows, the BSDs, Solaris and macOS.
   */
  readonly af: number;
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

/** No more hints than this are used for one peer: they are somebody else's word. */
export const MAX_HINTS = 6;

/** How many entries are looked at for them. */
const MAX_LOOKED_AT = 64;

/** What IPv6 is on Linux, Windows, OpenBSD, Solaris, FreeBSD and macOS: the Python original gives its platform's number. */
const IPV6_NUMBERS: readonly unknown[] = [10, 23, 24, 26, 28, 30];

/** The hints of a list that can be used, and how many of those before them cannot. */
export interface Hints {
  readonly usable: readonly BrokerHint[];
  readonly skipped: number;
}

/**
 * Reads hints that a caller or a store got from others: an odd one costs nothing but itself.
 * @throws {@link InvalidInputError} `INVALID_HINT` for what is no list
 */
export function parseHints(hints: unknown): Hints {
  check(Array.isArray(hints), "INVALID_HINT", "hintBrokers", "a list", got(hints));
  const usable: BrokerHint[] = [];
  let skipped = 0;
  for (const entry of hints.slice(0, MAX_LOOKED_AT)) {
    if (usable.length === MAX_HINTS) break;
    const hint = readHint(entry);
    if (hint) usable.push(hint);
    else skipped++;
  }
  return { usable, skipped };
}

function readHint(entry: unknown): BrokerHint | undefined {
  if (!isRecord(entry)) return undefined;
  const { af, host, port } = entry;
  const isIPv6 = IPV6_NUMBERS.includes(af);
  if ((af !== 2 && !isIPv6) || !isHost(host) || !isPort(port)) return undefined;
  return isMisplaced(host, isIPv6 ? "IPv6" : "IPv4") ? undefined : { af: isIPv6 ? 10 : 2, host, port };
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
