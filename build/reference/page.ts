import {
  argumentShown,
  type CommandDescription,
  type Leaf,
  leavesOf,
  type OptionDescription,
  optionsOf,
  usageOf,
  valueNameOf,
} from "../../grammar/description.js";
import { ENVIRONMENT, EXIT_STATUS, FILES, HOOK_ENVIRONMENT, SIGNALS } from "../../mesh/src/cli/facts.js";
import type { Field } from "./fields.js";

const HEAD = `<!-- Made by \`npm run reference\`. A change here does not last. -->

# Reference

Every command, option, variable, file and field of \`sidewire-mesh\`. This page is made from the grammar of the command and
from the schema of the configuration. The [README](../README.md) says what they are for.`;

/** The text of mesh/docs/reference.md. */
export function referencePage(program: CommandDescription, fields: readonly Field[]): string {
  return `${[
    HEAD,
    "## Commands",
    `These options go with every command: ${optionsOf(program).map(shortly).join("; ")}; \`--help\`: show its help.`,
    ...leavesOf(program).flatMap(commandPart),
    "## Exit codes",
    table(["code", "means"], EXIT_STATUS),
    "## Signals",
    "The daemon of `up` and `join` reacts to these:",
    table(["signal", "what happens"], SIGNALS.map(named)),
    "## The configuration file",
    "`up --config FILE` reads JSON with these fields. Each may be left out, unless it is required. An unknown field is an" +
      " error. Paths are relative to the folder of the file. A field of an object or a list is written as" +
      " `peers[].name`. `sidewire-mesh config check FILE` says whether a file can be used.",
    table(
      ["field", "type", "default", "meaning"],
      fields.map(({ path, type, without, meaning }) => [`\`${path}\``, type, without, meaning]),
    ),
    "## Variables of the environment",
    "The command reads these:",
    table(["variable", "meaning"], ENVIRONMENT.map(named)),
    "Programs in `hooks` get these:",
    table(["variable", "meaning"], HOOK_ENVIRONMENT.map(named)),
    "## Files",
    "`IF` stands for the name of the interface. All files belong to root, or to the user as whom the daemon runs.",
    table(
      ["path", "mode", "what is in it", "may it be deleted?"],
      FILES.map(({ path, mode = "as it was", holds, deletion }) => [`\`${path}\``, mode, holds, deletion]),
    ),
  ].join("\n\n")}\n`;
}

function named([name, text]: readonly [string, string]): string[] {
  return [`\`${name.replaceAll(", ", "`, `")}\``, text];
}

function shortly({ flags, description }: OptionDescription): string {
  return `\`${flags}\`: ${description}`;
}

function commandPart({ command, path }: Leaf): string[] {
  const given = command.registeredArguments
    .filter(({ description }) => description !== "")
    .map((argument) => [`\`${argumentShown(argument)}\``, argument.description, ""]);
  const options = optionsOf(command).map((option) => {
    const { meaning, fallback } = split(option);
    return [`\`${option.flags}\``, meaning, fallback];
  });
  const rows = [...given, ...options];
  return [
    `### ${path.slice(path.indexOf(" ") + 1)}`,
    `\`${usageOf(command, path)}\``,
    [command.description(), ...(command.remarks ?? [])].map(sentence).join(" "),
    ...(rows.length === 0 ? [] : [table(["argument or option", "meaning", "default"], rows)]),
    ...examplesOf(command),
  ];
}

function examplesOf({ examples = [] }: CommandDescription): string[] {
  if (examples.length === 0) return [];
  // A line that begins with a space continues the one before.
  const lines = examples
    .join("\n")
    .replaceAll(/ \\\n +/g, " ")
    .split("\n");
  return [`${lines.length > 1 ? "Examples" : "Example"}: ${lines.map((line) => `\`${line}\``).join(", ")}`];
}

/** A text of the grammar is a phrase without a capital and without a full stop. */
function sentence(text: string): string {
  const first = text.startsWith("sidewire-mesh ") ? text : `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
  return first.endsWith(".") ? first : `${first}.`;
}

/** The grammar says at the end of some texts what counts without the option. */
function split(option: OptionDescription): { readonly meaning: string; readonly fallback: string } {
  const { description, defaultValue } = option;
  const [, meaning, said] = /^(.*) \(default: (.*)\)$/.exec(description) ?? [];
  if (meaning !== undefined && said !== undefined) return { meaning, fallback: said };
  const without = valueNameOf(option) === undefined ? "off" : "none";
  return { meaning: description, fallback: defaultValue === undefined ? without : String(defaultValue) };
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map(escaped).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function escaped(cell: string): string {
  // GitHub takes `|` for the end of a cell, in code as well, and `<file>` for HTML outside of code.
  const parts = cell.replaceAll("|", "\\|").split(/(`[^`]*`)/);
  return parts.map((part) => (part.startsWith("`") ? part : part.replaceAll(/[<*]/g, "\\$&"))).join("");
}
