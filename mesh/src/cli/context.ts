import type { Output } from "./output.js";

/** Everything that a command gets. */
export interface Context {
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Fires on SIGINT, on SIGTERM and when stdout fails. */
  readonly signal: AbortSignal;
}
