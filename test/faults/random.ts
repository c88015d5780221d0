/** A stream of numbers in [0, 1) that a seed decides (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What decides everything random in this run: `FAULTS_SEED`, or a new one. */
export const seed: number = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** For how long brokers come and go, seconds: `FAULTS_SECONDS`. */
export const seconds: number = Number(process.env.FAULTS_SECONDS ?? 60);

/** Whether there is time for what takes long and is measured only. */
export const isLong: boolean = process.env.FAULTS_SECONDS !== undefined;
