import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { isReachable } from "../ip/scope.js";
import type { Candidate, CandidateKind } from "./candidate.js";

/**
 * How long an outside address is still announced after it was last seen, in ms. Mappings may alternate, and packets
 * that are on their way to an old one still arrive. Tailscale uses the same time.
 */
export const KEEP_MS = 310_000;
/** The maximum number of outside ports that are remembered for one address, as in Tailscale. */
const MAX_PER_ADDRESS = 6;
/** The maximum number of outside addresses that one source may name: two families, and a second uplink. */
const MAX_PER_SOURCE = 4;
const MAX_SEEN = 64;
/** The maximum number of announced candidates. */
export const MAX_ANNOUNCED = 16;

/** An outside address, and when each source last saw it. */
interface Slot {
  readonly endpoint: Endpoint;
  readonly seenBy: Map<string, number>;
}

/**
 * Collects the places where this host may be reached, from all sources. All times are monotonic milliseconds.
 *
 * No source is trusted: an address that a source names is only one more place to try. Addresses that more sources have
 * seen come first.
 */
export class Gathered {
  readonly #own = new Map<CandidateKind, readonly Endpoint[]>();
  readonly #seen = new Map<string, Slot>();

  /**
   * Sets all own addresses, mapped ports or configured endpoints, the best first.
   * @returns whether the list has changed
   */
  found(kind: Exclude<CandidateKind, "reflexive" | "relayed">, endpoints: readonly Endpoint[]): boolean {
    const before = new Set((this.#own.get(kind) ?? []).map(formatEndpoint));
    this.#own.set(kind, endpoints);
    const now = new Set(endpoints.map(formatEndpoint));
    return before.size !== now.size || [...now].some((text) => !before.has(text));
  }

  /**
   * Adds an outside address that a server or a peer saw.
   * @param source - the server or peer
   * @returns whether the address is new; an address that comes back before it is forgotten is not
   */
  saw(source: string, endpoint: Endpoint, now: number): boolean {
    const address = parseAddress(endpoint.address);
    if (address === undefined || !isReachable(address)) return false;
    this.#forget(now);
    const key = formatEndpoint(endpoint);
    const known = this.#seen.get(key);
    if (known !== undefined) {
      known.seenBy.delete(source);
      known.seenBy.set(source, now);
    } else {
      this.#seen.set(key, { endpoint, seenBy: new Map([[source, now]]) });
    }
    this.#limit(source, endpoint.address);
    return known === undefined && this.#seen.has(key);
  }

  /**
   * The candidates to announce, the best first: configured and mapped ones, own addresses, addresses that most sources
   * have seen.
   */
  candidates(now: number): Candidate[] {
    this.#forget(now);
    const own = (["configured", "mapped", "host"] as const).flatMap((kind) =>
      (this.#own.get(kind) ?? []).map((endpoint) => ({ kind, endpoint, ageS: 0 })),
    );
    const seen = [...this.#seen.values()].sort(better).map((slot) => ({
      kind: "reflexive" as const,
      endpoint: slot.endpoint,
      ageS: Math.max(0, Math.trunc((now - seenAt(slot)) / 1000)),
    }));
    const places = new Map<string, Candidate>();
    // At least four places are reserved for addresses that others see, even if there are many own addresses.
    const room = MAX_ANNOUNCED - Math.min(seen.length, 4);
    for (const one of [...own.slice(0, room), ...seen])
      if (!places.has(formatEndpoint(one.endpoint))) places.set(formatEndpoint(one.endpoint), one);
    return [...places.values()].slice(0, MAX_ANNOUNCED);
  }

  #forget(now: number): void {
    for (const [key, { seenBy }] of this.#seen) {
      for (const [source, at] of seenBy) if (now - at > KEEP_MS) seenBy.delete(source);
      if (seenBy.size === 0) this.#seen.delete(key);
    }
  }

  /**
   * Limits the addresses of one source and the ports of one address. Addresses that were seen by the fewest sources and
   * the longest time ago are removed first.
   */
  #limit(source: string, address: string): void {
    const named = [...this.#seen].filter(([, { seenBy }]) => seenBy.has(source));
    const byAge = named.sort(([, a], [, b]) => (b.seenBy.get(source) ?? 0) - (a.seenBy.get(source) ?? 0));
    for (const [key, { seenBy }] of byAge.slice(MAX_PER_SOURCE)) {
      seenBy.delete(source);
      if (seenBy.size === 0) this.#seen.delete(key);
    }
    const worst = (most: number, slots: [string, Slot][]): void => {
      for (const [key] of slots.sort(([, a], [, b]) => better(a, b)).slice(most)) this.#seen.delete(key);
    };
    worst(
      MAX_PER_ADDRESS,
      [...this.#seen].filter(([, { endpoint }]) => endpoint.address === address),
    );
    worst(MAX_SEEN, [...this.#seen]);
  }
}

/** Whether two lists contain the same places, whatever their ages and order. */
export function isSame(one: readonly Candidate[], other: readonly Candidate[]): boolean {
  const texts = (list: readonly Candidate[]): string[] =>
    list.map(({ kind, endpoint }) => `${kind} ${formatEndpoint(endpoint)}`).sort();
  return texts(one).join() === texts(other).join();
}

function seenAt({ seenBy }: Slot): number {
  return Math.max(...seenBy.values());
}

function better(one: Slot, other: Slot): number {
  return Math.min(2, other.seenBy.size) - Math.min(2, one.seenBy.size) || seenAt(other) - seenAt(one);
}
