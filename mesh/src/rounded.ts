/** A time span for people and programs, in ms, rounded to microseconds: the system's clock is not more exact. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
