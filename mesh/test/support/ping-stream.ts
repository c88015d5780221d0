import type { Host, LongRunning } from "../../lab/index.js";

/** A ping that never stops, 20 a second, and when its answers came. */
export class PingStream {
  readonly #process: LongRunning;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static start(host: Host, address: string): PingStream {
    return new PingStream(host.spawn(["ping", "-n", "-D", "-i", "0.05", address]));
  }

  /** When answers came, Unix ms. */
  answers(): number[] {
    return [...this.#process.log.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(
      ([, s]) => Number(s) * 1000,
    );
  }

  /** Resolves with when an answer came that is later than this. */
  async answerAfter(time: number, timeoutMs = 20_000): Promise<number> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.answers().find((at) => at > time);
      if (found !== undefined) return found;
      const { length } = this.#process.log;
      const left = Math.max(0, deadline - performance.now());
      await this.#process.wrote(new RegExp(`^[\\s\\S]{${length + 1},}`), left);
    }
  }

  /** The longest time without an answer since a moment, ms. */
  longestGap(since: number): number {
    const times = [since, ...this.answers().filter((at) => at > since)];
    return Math.max(0, ...times.slice(1).map((at, i) => at - (times[i] ?? at)));
  }

  async stop(): Promise<void> {
    await this.#process.kill();
  }
}
