import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** The work of a command, when the command line was read. */
export type Action = (context: Context) => Promise<ExitCode>;

/** Where a command runs: Linux only, unless it says something else. */
export type Platforms = "linux" | "any";

/** Called with the work of the command that the command line names. */
export type Choose = (action: Action, platforms?: Platforms) => void;
