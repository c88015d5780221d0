import { type ChildProcess, spawn } from "node:child_process";
import type { Command } from "./command.js";
import type { Programs } from "./programs.js";

/** How long after the first sign of a change the look comes, in ms. Changes come in bursts. */
export const DEBOUNCE_MS = 500;

/** How often to look without a sign, in ms. Some changes give no sign. */
export const INTERVAL_MS = 30_000;

/** How long after the start the programs begin, in ms. The first ping must not wait for them. */
const START_MS = 300;

/** The pause before a program that ended is started again, in ms. It is doubled up to the second value. */
const BACK_OFF_MS: readonly [number, number] = [1_000, 60_000];

/** These programs print a line for each change of addresses, routes, links or rules, and for each deleted nft table. */
const COMMANDS: readonly Command[] = [
  { program: "ip", args: ["monitor", "address", "route", "link", "rule"] },
  { program: "nft", args: ["monitor", "destroy", "tables"] },
];

/**
 * Says when to look at the network again. The output of the programs is not read: each line only means that something
 * has changed. If this process is killed, the programs end at the next change, because nobody reads their output.
 */
export class Monitor {
  readonly #programs: Programs;
  readonly #wake: () => void;
  readonly #children: Set<ChildProcess> = new Set();
  readonly #starts: Set<NodeJS.Timeout> = new Set();
  readonly #interval: NodeJS.Timeout;
  #debounce: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(programs: Programs, wake: () => void) {
    this.#programs = programs;
    this.#wake = wake;
    this.#interval = setInterval(wake, INTERVAL_MS);
    for (const command of COMMANDS) this.#startIn(START_MS, command, BACK_OFF_MS[0]);
  }

  /** Resolves when the programs have ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#interval);
    clearTimeout(this.#debounce);
    for (const timer of this.#starts) clearTimeout(timer);
    const ends = [...this.#children].map((child) => new Promise((resolve) => child.once("close", resolve)));
    for (const child of this.#children) {
      child.kill();
      child.stdout?.destroy();
    }
    await Promise.all(ends);
  }

  #startIn(waitMs: number, command: Command, backOffMs: number): void {
    const timer = setTimeout(() => {
      this.#starts.delete(timer);
      this.#start(command, backOffMs);
      // Changes during the pause were not reported.
      this.#sign();
    }, waitMs);
    this.#starts.add(timer);
  }

  #start(command: Command, backOffMs: number): void {
    const { file, args, env } = this.#programs.lineOf(command);
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "ignore"] });
    this.#children.add(child);
    let delayMs = backOffMs;
    child.stdout?.on("data", () => {
      delayMs = BACK_OFF_MS[0];
      this.#sign();
    });
    let isOver = false;
    const again = (): void => {
      this.#children.delete(child);
      if (this.#isClosed || isOver) return;
      isOver = true;
      this.#startIn(delayMs, command, Math.min(2 * delayMs, BACK_OFF_MS[1]));
    };
    child.once("close", again);
    // The program could not be started at all.
    child.once("error", again);
  }

  /** The first sign of a burst starts the timer, so an endless burst cannot delay the look without end. */
  #sign(): void {
    this.#debounce ??= setTimeout(() => {
      this.#debounce = undefined;
      this.#wake();
    }, DEBOUNCE_MS);
  }
}
