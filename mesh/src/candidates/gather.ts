import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { isReachable } from "../ip/scope.js";
import type { Candidate, CandidateKind } from "./candidate.js";

/**
 * How long an outside address that nobody sees any more is still announced, ms: mappings alternate, and what was sent
 * on the way to it arrives. Tailscale keeps it as long.
 */
export const KEEP_MS = 310_000;
/** Outside ports of one address that are remembered: as many as Tailscale's. */
const MAX_PER_ADDRESS = 6;
/** Outside addresses that one server or peer may name: of two families, and with a second uplink. */
const MAX_PER_SOURCE = 4;
const MAX_SEEN = 64;
/** What is announced in all. */
export const MAX_ANNOUNCED = 16;

/** An outside address, and who saw it when. */
interface Slot {
  readonly endpoint: Endpoint;
  readonly seenBy: Map<string, number>;
}

/**
 * Where this host may be reached, from whoever finds out. Times are monotonic milliseconds.
 *
 * Nobody is believed who says where we were seen: it is one more place to try, behind those that more have seen.
 */
export class Gathered {
  readonly #own = new Map<CandidateKind, readonly Endpoint[]>();
  readonly #seen = new Map<string, Slot>();

  /**
   * All own addresses, mapped ports or configured endpoints there are now, the best first.
   * @returns whether some are new, or gone
   */
  found(kind: Exclude<CandidateKind, "reflexive" | "relayed">, endpoints: readonly Endpoint[]): boolean {
    const before = new Set((this.#own.get(kind) ?? []).map(formatEndpoint));
    this.#own.set(kind, endpoints);
    const now = new Set(endpoints.map(formatEndpoint));
    return before.size !== now.size || [...now].some((text) => !before.has(text));
  }

  /**
   * An address that a server or a peer saw us come from.
   * @param source - who
   * @returns whether it is news: one that comes back before it is forgotten is none
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

  /** What is announced, the best first: what is configured or mapped, own addresses, what most have seen. */
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
    // At least four places are for what others see, however many own addresses there are.
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

  /** Of too many that one source names, or of one address, those give way that were seen longest ago, and by fewest. */
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

/** Whether two lists lead to the same places, whatever their ages and order. */
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
