/** What is taken for the speed of a line while nothing is known of it, bytes per ms: 1 Mbit/s. */
const UNKNOWN = 125;

/** The slowest line that is counted with, bytes per ms. */
const SLOWEST = 4;

/** No line is waited for longer than this, ms: what takes longer is stuck. */
const LONGEST_MS = 16_000;

/** From so many bytes on a message is long: it takes a line some time, and tells of its speed. */
export const LONG_BYTES = 4096;

/** How many measurements count: the fastest of the last ones, as what is slow may be the broker or a queue. */
const KEPT = 3;

/**
 * How fast a line is: this machine's, which the connections to all brokers share, or a peer's, as the time tells
 * until its ACK.
 */
export class LineSpeed {
  #kept: number[] = [];

  /** So many bytes took so long, ms. */
  measured(bytes: number, ms: number): void {
    this.#kept = [bytes / Math.max(ms, 1), ...this.#kept].slice(0, KEPT);
  }

  /** How many bytes it may be expected to carry within some ms. */
  bytesWithin(ms: number): number {
    return ms * this.#bytesPerMs;
  }

  /** How long it may be expected to take for so many bytes, ms. */
  msFor(bytes: number): number {
    return bytes / this.#bytesPerMs;
  }

  get #bytesPerMs(): number {
    return this.#kept.length === 0 ? UNKNOWN : Math.max(...this.#kept);
  }

  /** How long so many bytes may take at most, ms. */
  static longestMs(bytes: number): number {
    return Math.min(bytes / SLOWEST, LONGEST_MS);
  }
}
