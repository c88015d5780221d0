/** Among how many of the best-ranked brokers a peer of the original looks. */
const CANDIDATES = 10;

/** How many connections it keeps, by the size of the pool. */
export function keptOf(poolSize: number): number {
  if (poolSize < 4) return Math.min(poolSize, 1);
  return poolSize < 8 ? 2 : 3;
}

/**
 * The brokers that a peer of the original keeps for a destination, its own or another's: it dials the
 * ten best-ranked ones at once and keeps the first that answer, as many as {@link keptOf} says.
 *
 * @param delays - for each broker how long it takes to answer this peer; the order alone matters
 */
export function kept(
  ranking: readonly number[],
  reach: readonly boolean[],
  delays: readonly number[],
): number[] {
  return ranking
    .slice(0, CANDIDATES)
    .filter((broker) => reach[broker] === true)
    .sort((a, b) => (delays[a] ?? 0) - (delays[b] ?? 0))
    .slice(0, keptOf(ranking.length));
}

/** How many brokers it dials for a destination. */
export function candidatesOf(poolSize: number): number {
  return Math.min(poolSize, CANDIDATES);
}
