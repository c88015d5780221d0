import type { Candidate } from "../candidates/candidate.js";
import { formatEndpoint, parseEndpoint } from "../ip/endpoint.js";
import {
  CANDIDATES_PER_ADDRESS,
  INTRODUCED_MS,
  INTRODUCED_PATHS,
  REMOTE_CANDIDATES,
  SEEN_MS,
  SEEN_PATHS,
  VANISHED_MS,
} from "./constants.js";
import type { PathName } from "./facts.js";
import { createPath, isProven, type Path } from "./path.js";
import type { TierOf } from "./tiers.js";

/**
 * All known paths to one peer. The peer has announced these paths, or its packets came from there. The number of paths
 * is limited, whatever the peer sends.
 */
export class PathTable {
  readonly #paths = new Map<PathName, Path>();
  readonly #tierOf: TierOf;

  constructor(tierOf: TierOf) {
    this.#tierOf = tierOf;
  }

  get size(): number {
    return this.#paths.size;
  }

  get(name: PathName | undefined): Path | undefined {
    return name === undefined ? undefined : this.#paths.get(name);
  }

  values(): IterableIterator<Path> {
    return this.#paths.values();
  }

  /**
   * Sets the peer's candidates. Candidates that are not in the list any more are kept for a while, after the current
   * ones.
   * @returns the new paths, and whether the list has changed
   */
  list(candidates: readonly Candidate[], now: number): { fresh: Path[]; areOthers: boolean } {
    const fresh: Path[] = [];
    const before = [...this.#paths.values()].filter((path) => path.listedUntil === Number.POSITIVE_INFINITY);
    const after = new Set<Path>();
    for (const path of before) path.listedUntil = now + VANISHED_MS;
    for (const { endpoint, kind } of this.#best(candidates)) {
      const name = formatEndpoint(endpoint);
      const known = this.#paths.get(name);
      const path = known ?? createPath(name, endpoint, this.#tierOf(endpoint, kind));
      if (!isListed(path, now)) fresh.push(path);
      path.kind = kind;
      path.tier = this.#tierOf(endpoint, kind);
      path.listedUntil = Number.POSITIVE_INFINITY;
      after.add(path);
      this.#paths.set(name, path);
    }
    return { fresh, areOthers: after.size !== before.length || before.some((path) => !after.has(path)) };
  }

  /**
   * Adds candidates that others name. They never replace a candidate that the peer itself has named.
   * @returns the paths of these candidates, as far as there was room
   */
  introduce(candidates: readonly Candidate[], now: number): Path[] {
    const listed = [...this.#paths.values()].filter((path) => isListed(path, now));
    const passing = listed.filter(({ listedUntil }) => listedUntil !== Number.POSITIVE_INFINITY).length;
    let room = Math.min(INTRODUCED_PATHS - passing, REMOTE_CANDIDATES - listed.length);
    return this.#best(candidates).flatMap(({ endpoint, kind }) => {
      const name = formatEndpoint(endpoint);
      const known = this.#paths.get(name);
      if (known !== undefined && isListed(known, now)) return [known];
      if (room-- <= 0) return [];
      const path = known ?? createPath(name, endpoint, this.#tierOf(endpoint, kind));
      path.kind ??= kind;
      path.listedUntil = now + INTRODUCED_MS;
      this.#paths.set(name, path);
      return [path];
    });
  }

  /**
   * Notes that the peer sends from this endpoint.
   * @returns undefined for a text that is not an endpoint, and when there are too many paths
   */
  see(name: PathName, now: number, inUse: PathName | undefined): Path | undefined {
    let path = this.#paths.get(name);
    if (path === undefined) {
      const endpoint = parseEndpoint(name);
      if (endpoint === undefined || !this.#makeRoom(now, inUse)) return undefined;
      path = createPath(formatEndpoint(endpoint), endpoint, this.#tierOf(endpoint, undefined));
      this.#paths.set(path.name, path);
    }
    path.seenAt = now;
    return path;
  }

  /** Forgets paths that nobody names any more. The path in use stays. */
  prune(now: number, inUse: PathName | undefined): void {
    for (const path of this.#paths.values()) {
      const isKept = now < path.listedUntil || now - path.seenAt < SEEN_MS || isProven(path, now);
      if (!isKept && path.name !== inUse) this.#paths.delete(path.name);
    }
    // Candidates that are no longer announced give way to current ones.
    const listed = [...this.#paths.values()].filter((path) => isListed(path, now));
    const tooMany = listed.length - REMOTE_CANDIDATES;
    if (tooMany <= 0) return;
    const vanished = listed.filter((path) => path.listedUntil !== Number.POSITIVE_INFINITY);
    vanished.sort((a, b) => a.listedUntil - b.listedUntil);
    for (const path of vanished.filter(({ name }) => name !== inUse).slice(0, tooMany)) {
      this.#paths.delete(path.name);
    }
  }

  delete(name: PathName): void {
    this.#paths.delete(name);
  }

  /** Must be called when the own networks have changed, because tiers depend on them. */
  rank(): void {
    for (const path of this.#paths.values()) path.tier = this.#tierOf(path.endpoint, path.kind);
  }

  /** Makes room for one more path that is only seen, by removing the one that was silent for the longest time. */
  #makeRoom(now: number, inUse: PathName | undefined): boolean {
    const seen = [...this.#paths.values()].filter((path) => !isListed(path, now) && path.name !== inUse);
    if (seen.length < SEEN_PATHS) return true;
    const [oldest] = seen.filter((path) => !isProven(path, now)).sort((a, b) => a.seenAt - b.seenAt);
    return oldest !== undefined && this.#paths.delete(oldest.name);
  }

  /** The best candidates within the limits: the best tiers first, and the youngest first within a tier. */
  #best(candidates: readonly Candidate[]): Candidate[] {
    const ranked = candidates
      .map((candidate) => ({ candidate, tier: this.#tierOf(candidate.endpoint, candidate.kind) }))
      .sort((a, b) => a.tier - b.tier || a.candidate.ageS - b.candidate.ageS);
    const chosen = new Map<PathName, Candidate>();
    const perAddress = new Map<string, number>();
    for (const { candidate } of ranked) {
      if (chosen.size === REMOTE_CANDIDATES) break;
      const name = formatEndpoint(candidate.endpoint);
      const { address } = candidate.endpoint;
      const count = perAddress.get(address) ?? 0;
      if (chosen.has(name) || count === CANDIDATES_PER_ADDRESS) continue;
      perAddress.set(address, count + 1);
      chosen.set(name, candidate);
    }
    return [...chosen.values()];
  }
}

function isListed({ listedUntil }: Path, now: number): boolean {
  return now < listedUntil;
}
