/** A peer in a process of its own, which does what its parent says: see peer-process.ts. */
import { Keypair, Router, type RouterOptions, type RouterStats, type SendOptions } from "../../src/index.js";

/** What the parent may ask for, and what it is answered. */
export interface PeerTasks {
  start(options: Omit<RouterOptions, "getTime">): Promise<string>;
  /** Sends all at once; the bytes that were acknowledged of each. */
  send(to: string, texts: readonly string[], options: SendOptions): Promise<number[]>;
  /** Keeps the thread busy. */
  work(ms: number): void;
  shown(): string[];
  stats(): RouterStats;
  /** Why sessions with brokers ended so far. */
  losses(): string[];
}

export interface PeerCall {
  readonly id: number;
  readonly task: keyof PeerTasks;
  readonly args: readonly unknown[];
}

export interface PeerAnswer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

let router: Router | undefined;
const shown: string[] = [];
const losses: string[] = [];

function running(): Router {
  if (router === undefined) throw new Error("the peer was not started");
  return router;
}

const tasks: PeerTasks = {
  async start(options) {
    router = new Router(Keypair.generate(), { getTime: Date.now, ...options });
    router.on("message", (message) => void shown.push(message.text()));
    router.on("broker", ({ error }) => {
      if (error) losses.push(error.message);
    });
    await router.start();
    return router.address;
  },
  async send(to, texts, options) {
    const pipe = await running().pipe(to);
    return await Promise.all(texts.map((text) => pipe.send(text, options)));
  },
  work(ms) {
    const until = performance.now() + ms;
    while (performance.now() < until);
  },
  shown: () => shown,
  stats: () => running().stats(),
  losses: () => losses,
};

process.on("message", async ({ id, task, args }: PeerCall) => {
  let answer: PeerAnswer;
  try {
    // The parent's types are those of the tasks.
    const run = tasks[task] as (...args: readonly unknown[]) => unknown;
    answer = { id, result: await run(...args) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.send?.(answer);
});
process.once("disconnect", () => process.exit());
