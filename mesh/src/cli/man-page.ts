import type { CommandDescription } from "../../../grammar/description.js";
import { manPage } from "../../../grammar/man-page.js";
import { version } from "../../package.json";
import type { Context } from "./context.js";
import { ENVIRONMENT, EXIT_STATUS, FILES, HOOK_ENVIRONMENT, SIGNALS } from "./facts.js";
import type { ExitCode } from "./failure.js";

/** Prints the manual page, for `man -l` and for the package. */
export async function man({ output }: Context, program: CommandDescription): Promise<ExitCode> {
  const page = manPage(program, {
    version,
    section: 8,
    exitStatus: EXIT_STATUS,
    signals: SIGNALS,
    environment: [...ENVIRONMENT, ...HOOK_ENVIRONMENT],
    files: FILES.map(({ path, holds, deletion }) => [path, `${holds} May it be deleted? ${deletion}`]),
  });
  await output.write(`${page}\n`);
  return 0;
}
