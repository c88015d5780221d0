export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** NaN of nothing. */
export function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

/** The standard deviation of all there are, not of a sample. */
export function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}

/** The value that this share of all are at most; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Pearson's statistic: how far counts are from what was expected. */
export function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  return sum(
    counts.map((count, i) => {
      const e = expected[i] ?? Number.NaN;
      return (count - e) ** 2 / e;
    }),
  );
}

/** 95 % of a normal distribution is below this. */
const Z_95 = 1.6448536269514722;

/** What chance alone exceeds in one case of twenty (Wilson and Hilferty's approximation, 1931). */
export function chiSquareLimit(freedom: number): number {
  const v = 2 / (9 * freedom);
  return freedom * (1 - v + Z_95 * Math.sqrt(v)) ** 3;
}

/** The chance that at least one of `size` brokers is reachable by both, each by each with this chance. */
export function chanceOfCommon(size: number, reach: number): number {
  return 1 - (1 - reach ** 2) ** size;
}
