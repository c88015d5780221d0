/** A time span for people and programs to read, ms: to the microsecond, as a clock of the system tells no more. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
