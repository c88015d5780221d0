import type { Host, LongRunning } from "../../lab/index.js";
import { until } from "./until.js";

/** Between two pings, s. */
const INTERVAL_S = 0.1;

/** A ping that came back. */
export interface Reply {
  /** Unix ms. */
  readonly at: number;
  readonly number: number;
}

/** A ping that is never ended by what happens to the network. Its times are those that `ping` itself writes. */
export class EndlessPing {
  readonly #process: LongRunning;

  constructor(host: Host, address: string) {
    this.#process = host.spawn(["ping", "-n", "-D", "-i", `${INTERVAL_S}`, address]);
  }

  replies(): Reply[] {
    const lines = this.#process.log.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from .* icmp_seq=(\d+) .*$/gm);
    return [...lines].map(([, at, number]) => ({ at: Number(at) * 1000, number: Number(number) }));
  }

  /** Waits until this many more are back. */
  async more(count: number, timeoutMs: number): Promise<void> {
    const all = this.replies().length + count;
    const find = (): true | undefined => this.replies().length >= all || undefined;
    await until(this.#process, find, timeoutMs, "the pings did not come back");
  }

  /** Ends it, and returns how many were sent: what it says itself. */
  async stop(): Promise<number> {
    this.#process.signal("SIGINT");
    const [, sent] = await this.#process.wrote(/^(\d+) packets transmitted/m);
    return Number(sent);
  }
}

/** The longest time between two pings that came back one after the other, ms. */
export function longestGap(replies: readonly Reply[]): number {
  return Math.max(0, ...replies.map(({ at }, i) => at - (replies[i - 1]?.at ?? at)));
}
