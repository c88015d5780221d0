import type { Interrupt } from "./interrupt.js";
import type { Output } from "./output.js";

/** The options of every command. */
export interface GlobalOptions {
  readonly key?: string;
  readonly brokers?: string;
  readonly timeout?: number;
  readonly json?: true;
}

/** Everything that a command gets. */
export interface Context {
  readonly options: GlobalOptions;
  readonly output: Output;
  readonly interrupt: Interrupt;
  /** Fires on SIGINT, on SIGTERM and when stdout fails. */
  readonly signal: AbortSignal;
}
