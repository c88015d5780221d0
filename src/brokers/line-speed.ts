/** The assumed speed of a line before the first measurement, in bytes per ms: 1 Mbit/s. */
const UNKNOWN = 125;

/** The lowest speed that is assumed, in bytes per ms. */
const SLOWEST = 4;

/** The longest wait for a line, in ms. A line that takes longer is stuck. */
const LONGEST_MS = 16_000;

/** A message from this number of bytes on is long: a line takes measurable time for it. */
export const LONG_BYTES = 4096;

/**
 * The number of measurements that are kept. The fastest one counts, because a slow one may be due to the broker or a
 * queue.
 */
const KEPT = 3;

/**
 * The speed of a line. This is either the machine's own line, which the connections to all brokers share, or a peer's
 * line. A peer's line is measured by the time until its ACK.
 */
export class LineSpeed {
  #kept: number[] = [];

  /** Records that `bytes` bytes took `ms` ms. */
  measured(bytes: number, ms: number): void {
    this.#kept = [bytes / Math.max(ms, 1), ...this.#kept].slice(0, KEPT);
  }

  /** The number of bytes that the line should carry within `ms` ms. */
  bytesWithin(ms: number): number {
    return ms * this.#bytesPerMs;
  }

  /** The time that the line should take for `bytes` bytes, in ms. */
  msFor(bytes: number): number {
    return bytes / this.#bytesPerMs;
  }

  get #bytesPerMs(): number {
    return this.#kept.length === 0 ? UNKNOWN : Math.max(...this.#kept);
  }

  /** The longest time that `bytes` bytes may take, in ms. */
  static longestMs(bytes: number): number {
    return Math.min(bytes / SLOWEST, LONGEST_MS);
  }
}
