import type { Interrupt } from "./interrupt.js";
import type { Output } from "./output.js";

/** The options that every command has. */
export interface GlobalOptions {
  readonly key?: string;
  readonly brokers?: string;
  readonly timeout?: number;
  readonly json?: true;
}

/** What every command runs in. */
export interface Context {
  readonly options: GlobalOptions;
  readonly output: Output;
  readonly interrupt: Interrupt;
  /** Fires on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}
