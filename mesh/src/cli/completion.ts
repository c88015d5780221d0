import { completionScript } from "../../../grammar/completion.js";
import type { Values } from "../../../grammar/completion-places.js";
import type { CommandDescription } from "../../../grammar/description.js";
import type { Shell } from "../../../grammar/shells.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

const VALUES: Values = {
  files: ["file", "folder"],
  // No daemon is asked: that needs root, and a shell without root completes too.
  words: { interface: () => "ls /sys/class/net 2>/dev/null" },
};

/** Prints a shell script that completes command lines. */
export async function completion(
  { output }: Context,
  shell: Shell,
  program: CommandDescription,
): Promise<ExitCode> {
  await output.write(`${completionScript(shell, program, VALUES)}\n`);
  return 0;
}
