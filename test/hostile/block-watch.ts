import { closeSync, openSync, readSync } from "node:fs";

/** Linux's account of this thread: how long it had a processor, ns, and how long it waited for one. */
const ACCOUNT = "/proc/thread-self/schedstat";

/** How long this thread has had a processor, ms; of the whole process where the system tells no better. */
class ThreadClock {
  readonly #file: number | undefined = ThreadClock.#open();
  readonly #text: Buffer = Buffer.alloc(64);

  static #open(): number | undefined {
    try {
      return openSync(ACCOUNT, "r");
    } catch {
      return undefined;
    }
  }

  read(): number {
    if (this.#file === undefined) {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    }
    const length = readSync(this.#file, this.#text, 0, this.#text.length, 0);
    return Number.parseInt(this.#text.toString("latin1", 0, length), 10) / 1e6;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
  }
}

/** Measures how long the event loop was kept from everything else, in time of the processor, and how much is in use. */
export class BlockWatch {
  readonly #clock = new ThreadClock();
  #longest = 0;
  #most = 0;
  #cpu: number = this.#clock.read();
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
    this.#clock.close();
  }

  #look(): void {
    const cpu = this.#clock.read();
    const now = performance.now();
    // Other threads take time of the processor, and other processes take time of the clock: neither is a block.
    this.#longest = Math.max(this.#longest, Math.min(cpu - this.#cpu, now - this.#at));
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    this.#most = Math.max(this.#most, heapUsed + arrayBuffers);
    this.#cpu = this.#clock.read();
    this.#at = now;
  }
}
