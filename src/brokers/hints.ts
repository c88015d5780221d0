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
 * A broker where a peer listens, in the form that peers give to each other. In a list of hints the most trusted one
 * comes first. The broker need not be in the pool.
 */
export interface BrokerHint {
  /**
   * The address family: 2 for IPv4, 10 for IPv6, as in the ranking. The numbers 23, 24, 26, 28 and 30 are accepted for
   * IPv6 as well: they mean IPv6 on Windows, the BSDs, Solaris and macOS.
   */
  readonly af: number;
  /** A host name or an IP address. */
  readonly host: string;
  /** One of the broker's ports. If the broker is not in the reader's pool, the port must be that of plain MQTT. */
  readonly port: number;
}

/**
 * Keeps the brokers where each address was last found, between runs. Both methods may be asynchronous. A store that
 * fails only makes the first message slower.
 *
 * Default: {@link MemoryHintStore}. For Node there is `FileHintStore` in `sidewire/node`.
 */
export interface HintStore {
  /** The brokers stored for an address (66 hex characters), the best first. */
  get(address: string): readonly BrokerHint[] | undefined | Promise<readonly BrokerHint[] | undefined>;
  /** Replaces the brokers stored for an address. */
  set(address: string, hints: readonly BrokerHint[]): void | Promise<void>;
}

/** Keeps hints in memory, for the 1000 addresses that were stored last. */
export class MemoryHintStore implements HintStore {
  readonly #hints = new BoundedMap<string, readonly BrokerHint[]>(MAX_KEPT);

  get(address: string): readonly BrokerHint[] | undefined {
    return this.#hints.get(address);
  }

  set(address: string, hints: readonly BrokerHint[]): void {
    this.#hints.set(address, hints);
  }

  /** Every address with its hints, the one that was stored longest ago first. */
  entries(): IterableIterator<[string, readonly BrokerHint[]]> {
    return this.#hints.entries();
  }
}

/** The maximum number of addresses in a store. */
export const MAX_KEPT = 1000;

/** The maximum number of hints that are used for one peer, because strangers may write hints. */
export const MAX_HINTS = 6;

/** The maximum number of entries that are read to find usable hints. */
const MAX_LOOKED_AT = 64;

/**
 * The number of IPv6 on Linux, Windows, OpenBSD, Solaris, FreeBSD and macOS. The Python original sends the number of
 * its own system.
 */
const IPV6_NUMBERS: readonly unknown[] = [10, 23, 24, 26, 28, 30];

/** The usable hints of a list, and how many unusable entries were skipped. */
export interface Hints {
  readonly usable: readonly BrokerHint[];
  readonly skipped: number;
}

/**
 * Reads hints that a caller or a store received from others. An unusable entry is skipped.
 * @throws {@link InvalidInputError} `INVALID_HINT` when the hints are not a list
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
 * The broker that a hint names. If the pool has the broker and the port, this is the pool's entry, with its
 * credentials.
 * @param allowPrivate - whether hosts outside the pool may be at private addresses
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

/** The hint for a broker. */
export function hintOfBroker(broker: Broker): BrokerHint {
  const [port = 0] = portsOf(broker);
  return { af: broker.family === "IPv6" ? 10 : 2, host: broker.host, port };
}
