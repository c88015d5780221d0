/** The value below which this part of the values lies, by the nearest rank. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** What was measured in rounds: each round's samples. */
export type Rounds = readonly (readonly number[])[];

/**
 * How many times as much `a` is as `b`: for each round the ratio of the medians, and of those the median.
 * What both sides of a round were measured in one after the other disturbs both.
 */
export function ratioOf(a: Rounds, b: Rounds): number {
  return median(a.map((samples, i) => median(samples) / median(b[i] ?? [])));
}

/**
 * Runs every variant once a round, in turn, the order reversed every other round.
 * @param rounds - how many; one more comes first and is thrown away
 * @returns each variant's samples by round
 */
export async function interleaved<K extends string>(
  rounds: number,
  variants: Readonly<Record<K, () => Promise<readonly number[]>>>,
): Promise<Record<K, number[][]>> {
  // The keys of an object that has exactly these.
  const names = Object.keys(variants) as K[];
  const samples = new Map<K, number[][]>(names.map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const block = await variants[name]();
      if (round >= 0) samples.get(name)?.push([...block]);
    }
  }
  // One entry for each of the keys.
  return Object.fromEntries(samples) as Record<K, number[][]>;
}
