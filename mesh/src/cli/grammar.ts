import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** What a command does once it is known. */
export type Action = (context: Context) => Promise<ExitCode>;

/** Takes what the command line asks for. */
export type Choose = (action: Action) => void;

/** Examples below the help of a command, a line each. */
export function example(...lines: readonly string[]): string {
  return `\nExample${lines.length > 1 ? "s" : ""}:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}
