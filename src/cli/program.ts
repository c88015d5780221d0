import { CommanderError } from "commander";
import type { GlobalOptions } from "./context.js";
import { Failure, reasonOf } from "./failure.js";
import { type Action, describe } from "./grammar.js";
import { Interrupt } from "./interrupt.js";
import { Output } from "./output.js";

/** Runs a command line. @returns the exit code of the process */
export async function run(args: readonly string[]): Promise<number> {
  const interrupt = new Interrupt();
  interrupt.watch();
  const json = asksForJson(args);
  const exitCode = await runCommand(args, json, interrupt);
  interrupt.stop();
  // The last write may still fail.
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  const { writeError } = interrupt;
  if (writeError === undefined) return exitCode;
  const message = `cannot write to stdout: ${reasonOf(writeError)}`;
  new Output(json).fail({ exitCode: 1, code: "FILE", message }, false);
  return 1;
}

async function runCommand(args: readonly string[], json: boolean, interrupt: Interrupt): Promise<number> {
  let output = new Output(json);
  let wanted: Action | undefined;
  const program = describe(json, (action) => {
    wanted = action;
  });
  try {
    program.parse([...args], { from: "user" });
    const options: GlobalOptions = program.opts();
    output = new Output(options.json === true);
    if (wanted === undefined) throw new Failure("USAGE", "a command is missing");
    return await wanted({ options, output, interrupt, signal: interrupt.signal });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    // An error that an interrupt has caused is not reported.
    if (interrupt.exitCode !== undefined) {
      interrupt.insist();
      return interrupt.exitCode;
    }
    // Loaded late, because this module loads the library. So help and errors of usage appear at once.
    const { endingOf } = await import("./ending.js");
    const ending = endingOf(error);
    output.fail(ending, ending.code === "USAGE");
    return ending.exitCode;
  }
}

/**
 * Whether the command line contains --json. An error in the command line must be reported as JSON as well, so this is
 * decided before the parsing.
 */
function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end < 0 ? args : args.slice(0, end)).includes("--json");
}
