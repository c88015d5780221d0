/**
 * One process of a benchmark: does what it is told and answers with what it measured. Plain Node on the
 * built package.
 */
import * as addresses from "./tasks/addresses.js";
import * as bare from "./tasks/bare.js";
import * as eventLoop from "./tasks/event-loop.js";
import * as memory from "./tasks/memory.js";
import * as peers from "./tasks/peers.js";
import * as ranking from "./tasks/ranking.js";
import * as signatures from "./tasks/signatures.js";
import * as starting from "./tasks/starting.js";

/** What a process can be told to do. */
export type Tasks = typeof addresses &
  typeof bare &
  typeof eventLoop &
  typeof memory &
  typeof peers &
  typeof ranking &
  typeof signatures &
  typeof starting;

const tasks: Tasks = {
  ...addresses,
  ...bare,
  ...eventLoop,
  ...memory,
  ...peers,
  ...ranking,
  ...signatures,
  ...starting,
};

/** One task, as it is told. */
export interface Call {
  readonly id: number;
  readonly task: keyof Tasks;
  readonly args: readonly unknown[];
}

/** How a task ended. */
export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

process.on("message", async ({ id, task, args }: Call) => {
  const answer = (how: Omit<Answer, "id">): void => void process.send?.({ id, ...how });
  // `Process.call` has checked the arguments against this very task.
  const run = tasks[task] as (...args: readonly unknown[]) => unknown;
  try {
    answer({ result: await run(...args) });
  } catch (error) {
    answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
// The benchmark is over, or has failed.
process.on("disconnect", () => process.exit());
