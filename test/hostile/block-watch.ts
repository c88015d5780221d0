/** Measures how long the event loop was kept from everything else, in time of the processor, and how much is in use. */
export class BlockWatch {
  #longest = 0;
  #most = 0;
  #cpu: NodeJS.CpuUsage = process.cpuUsage();
  #at: number = performance.now();
  readonly #timer: NodeJS.Timeout = setInterval(() => this.#look(), 1);

  /** Since the last call: the longest block, ms, and the most memory, bytes. */
  take(): { readonly longestMs: number; readonly mostBytes: number } {
    this.#look();
    const seen = { longestMs: this.#longest, mostBytes: this.#most };
    this.#longest = 0;
    this.#most = 0;
    return seen;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const { user, system } = process.cpuUsage(this.#cpu);
    const now = performance.now();
    // Other threads take time of the processor, and other processes take time of the clock: neither is a block.
    this.#longest = Math.max(this.#longest, Math.min((user + system) / 1000, now - this.#at));
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.#most = Math.max(this.#most, heapUsed + arrayBuffers);
    this.#cpu = process.cpuUsage();
    this.#at = now;
  }
}
