/** Which announce this is of its sender's: the start it is of, and its number since then. */
export interface Edition {
  /** Grows with each start of the sender. */
  readonly boot: bigint;
  /** Grows with each announce since then. */
  readonly counter: number;
}

/**
 * Whether an announce says more than the last one that was accepted. One that is repeated, late or of an older start
 * does not, however it came here.
 */
export function isNewer(one: Edition, last: Edition | undefined): boolean {
  if (last === undefined || one.boot > last.boot) return true;
  return one.boot === last.boot && one.counter > last.counter;
}
