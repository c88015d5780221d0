import type { Output } from "./output.js";

/** What every command runs in. */
export interface Context {
  readonly output: Output;
  readonly env: NodeJS.ProcessEnv;
  /** Fires on SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}
