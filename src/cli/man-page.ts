import { version } from "../../package.json";
import type { Context } from "./context.js";
import { argumentShown, type CommandDescription, type OptionDescription, optionsOf } from "./description.js";
import type { ExitCode } from "./failure.js";

/** Prints the manual page, for `man -l` and for the package. */
export async function man({ output }: Context, program: CommandDescription): Promise<ExitCode> {
  await output.line(manPage(program).trimEnd());
  return 0;
}

/** Facts that are not in the grammar. docs/cli.md has more of them. */
const EXIT_STATUS: readonly (readonly [string, string])[] = [
  ["0", "Done. Also when Ctrl-C ends what has no end of its own."],
  ["1", "Not delivered, not reachable, or it failed on the way."],
  ["2", "Wrong use."],
  ["130, 143", "Ended by SIGINT or SIGTERM before it was done."],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  ["SIDEWIRE_KEY", "The file with the key, unless --key names one."],
  ["SIDEWIRE_BROKERS", "The file with the pool, unless --brokers names one."],
  ["NO_COLOR", "If it is set, there are no colours."],
];

const FILES: readonly (readonly [string, string])[] = [
  ["~/.config/sidewire/key", "The secret key, readable by its owner alone."],
  ["~/.config/sidewire/contacts.txt", "The contacts: a name and an address a line, # begins a remark."],
  ["~/.cache/sidewire", "Where peers were found before."],
];

function manPage(program: CommandDescription): string {
  const name = program.name();
  return [
    `.TH ${name.toUpperCase()} 1 "" "${name} ${version}" "User Commands"`,
    ".SH NAME",
    `${name} \\- ${roff(program.description())}`,
    ".SH SYNOPSIS",
    `.B ${name}`,
    "[options] command [arguments]",
    ".SH OPTIONS",
    ...optionsOf(program).flatMap(optionLines),
    ".SH COMMANDS",
    ...program.commands.flatMap((command) => commandLines(command, name)),
    ".SH EXIT STATUS",
    ...EXIT_STATUS.flatMap(tagged),
    ".SH ENVIRONMENT",
    ...ENVIRONMENT.flatMap(tagged),
    ".SH FILES",
    ...FILES.flatMap(tagged),
    ".SH EXAMPLES",
    ...exampleLines(program),
    "",
  ].join("\n");
}

function commandLines(command: CommandDescription, before: string): string[] {
  const path = `${before} ${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((inner) => commandLines(inner, path));
  const options = optionsOf(command);
  const given = command.registeredArguments.map(argumentShown);
  const usage = [path, ...(options.length > 0 ? ["[options]"] : []), ...given].join(" ");
  return [
    `.SS ${roff(usage)}`,
    roff(`${command.description()}.`),
    ...command.registeredArguments
      .filter(({ description }) => description !== "")
      .flatMap((argument) => tagged([argumentShown(argument), argument.description])),
    ...options.flatMap(optionLines),
    ...exampleLines(command),
  ];
}

function optionLines({ flags, description }: OptionDescription): string[] {
  return tagged([flags, description]);
}

function tagged([tag, text]: readonly [string, string]): string[] {
  return [".TP", `.B ${roff(tag)}`, roff(text)];
}

function exampleLines({ examples = [] }: CommandDescription): string[] {
  return examples.length === 0 ? [] : [".RS 4", ".nf", ...examples.map(roff), ".fi", ".RE"];
}

/**
 * Escapes a text for roff, so that it is shown unchanged: a line must not begin with a request, escapes must not be
 * interpreted, and hyphens must stay hyphens that can be copied.
 */
function roff(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll(
      /[^\x20-\x7e]/gu,
      (character) => `\\[u${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
    );
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}
