/** Full jitter: a random pause below a bound that doubles from the first to one of the caps. */
const FIRST_MS = 1000;
const CAP_WORKED_MS = 60_000;
const CAP_NEVER_MS = 20 * 60_000;
/** While an address cannot be reached at all, so that it is back within 10 s of its brokers. */
export const URGENT_MS = 5000;

/**
 * How long to wait after so many failures in a row, ms.
 * @param worked - whether it ever worked
 * @param isUrgent - whether an address that wants it cannot be reached at all
 */
export function backOffMs(failures: number, worked: boolean, isUrgent: boolean): number {
  const usualCap = worked ? CAP_WORKED_MS : CAP_NEVER_MS;
  return Math.random() * Math.min(isUrgent ? URGENT_MS : usualCap, FIRST_MS * 2 ** (failures - 1));
}
