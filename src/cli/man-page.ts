import type { CommandDescription } from "../../grammar/description.js";
import { type ManualFacts, manPage } from "../../grammar/man-page.js";
import { version } from "../../package.json";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** docs/cli.md has more of these facts. */
const FACTS: ManualFacts = {
  version,
  section: 1,
  exitStatus: [
    ["0", "Done. Also when Ctrl-C ends what has no end of its own."],
    ["1", "Not delivered, not reachable, or it failed on the way."],
    ["2", "Wrong use."],
    ["130, 143", "Ended by SIGINT or SIGTERM before it was done."],
  ],
  environment: [
    ["SIDEWIRE_KEY", "The file with the key, unless --key names one."],
    ["SIDEWIRE_BROKERS", "The file with the pool, unless --brokers names one."],
    ["NO_COLOR", "If it is set, there are no colours."],
  ],
  files: [
    ["~/.config/sidewire/key", "The secret key, readable by its owner alone."],
    ["~/.config/sidewire/contacts.txt", "The contacts: a name and an address a line, # begins a remark."],
    ["~/.cache/sidewire", "Where peers were found before."],
  ],
};

/** Prints the manual page, for `man -l` and for the package. */
export async function man({ output }: Context, program: CommandDescription): Promise<ExitCode> {
  await output.line(manPage(program, FACTS));
  return 0;
}
