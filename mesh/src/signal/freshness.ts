/** Identifies an announce of a sender: the sender's boot, and a number within that boot. */
export interface Edition {
  /** Grows with each start of the sender. */
  readonly boot: bigint;
  /** Grows with each announce of the same boot. */
  readonly counter: number;
}

/**
 * Whether an announce is newer than the last accepted one. Repeated announces, late ones and those of an older boot are
 * not newer.
 */
export function isNewer(one: Edition, last: Edition | undefined): boolean {
  if (last === undefined || one.boot > last.boot) return true;
  return one.boot === last.boot && one.counter > last.counter;
}
