import { completionScript } from "../../grammar/completion.js";
import type { CommandDescription } from "../../grammar/description.js";
import type { Shell } from "../../grammar/shells.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

const contacts = (command: string): string => `${command} contact list --names 2>/dev/null`;

/** Prints a shell script that completes command lines. */
export async function completion(
  { output }: Context,
  shell: Shell,
  program: CommandDescription,
): Promise<ExitCode> {
  const values = { files: ["file", "program"], words: { dest: contacts, contact: contacts } };
  await output.line(completionScript(shell, program, values));
  return 0;
}
