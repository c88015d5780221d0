/** A token bucket of bytes that holds the bytes of one second. All times are monotonic milliseconds. */
export class ByteBucket {
  readonly #perSecond: number;
  #bytes: number;
  #at = Number.NEGATIVE_INFINITY;

  /** @param perSecond - bytes per second */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#bytes = perSecond;
  }

  /** Whether this number of bytes is available now. {@link take} takes them. */
  has(bytes: number, now: number): boolean {
    if (now > this.#at) {
      const more = ((now - this.#at) / 1000) * this.#perSecond;
      this.#bytes = Math.min(this.#perSecond, this.#bytes + more);
      this.#at = now;
    }
    return this.#bytes >= bytes;
  }

  take(bytes: number): void {
    this.#bytes -= bytes;
  }
}
