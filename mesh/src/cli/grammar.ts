import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** The work of a command, when the command line was read. */
export type Action = (context: Context) => Promise<ExitCode>;

/** Called with the work of the command that the command line names. */
export type Choose = (action: Action) => void;

/** The examples below the help of a command, one line each. */
export function example(...lines: readonly string[]): string {
  return `\nExample${lines.length > 1 ? "s" : ""}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
