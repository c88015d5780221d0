import type { Host, LongRunning } from "../../lab/index.js";

/** Between two pings, ms. */
const INTERVAL_MS = 50;

/** A ping that never stops, 20 a second, and when its answers came. */
export class PingStream {
  readonly #process: LongRunning;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static start(host: Host, address: string): PingStream {
    return new PingStream(host.spawn(["ping", "-n", "-D", "-i", `${INTERVAL_MS / 1000}`, address]));
  }

  /** When answers came, Unix ms. */
  answers(): number[] {
    return [...this.#process.log.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from/gm)].map(
      ([, s]) => Number(s) * 1000,
    );
  }

  /** The numbers of the pings without an answer, between the first answer and the last one. */
  lost(): number[] {
    const seen = [...this.#process.log.matchAll(/ icmp_seq=(\d+) /g)].map(([, n]) => Number(n));
    const answered = new Set(seen);
    const [first = 0, last = -1] = [Math.min(...seen), Math.max(...seen)];
    return Array.from({ length: last - first + 1 }, (_, i) => first + i).filter((n) => !answered.has(n));
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

  /** The longest time without an answer since a moment, and up to another one, ms. */
  longestGap(since: number, until: number = Number.POSITIVE_INFINITY): number {
    const times = [since, ...this.answers().filter((at) => at > since && at <= until)];
    return Math.max(0, ...times.slice(1).map((at, i) => at - (times[i] ?? at)));
  }

  /** By how much the longest gap is longer than it must be, while nothing happens: the machine's own pauses, ms. */
  pauses(since: number, until: number): number {
    return Math.max(0, this.longestGap(since, until) - INTERVAL_MS);
  }

  async stop(): Promise<void> {
    await this.#process.kill();
  }
}
