/**
 * Full jitter: each pause is random, below a bound that doubles from FIRST_MS up to a cap. The cap depends on whether
 * the broker ever worked.
 */
const FIRST_MS = 1000;
const CAP_WORKED_MS = 60_000;
const CAP_NEVER_MS = 20 * 60_000;
/**
 * The cap while an address cannot be reached at all. With this cap an address is reachable again within 10 s of its
 * brokers.
 */
export const URGENT_MS = 5000;

/**
 * The pause after a number of failures in a row, in ms.
 * @param worked - whether a session with the broker was ever opened
 * @param isUrgent - whether an address that wants the broker cannot be reached at all
 */
export function backOffMs(failures: number, worked: boolean, isUrgent: boolean): number {
  const usualCap = worked ? CAP_WORKED_MS : CAP_NEVER_MS;
  return Math.random() * Math.min(isUrgent ? URGENT_MS : usualCap, FIRST_MS * 2 ** (failures - 1));
}
