import {
  argumentShown,
  type CommandDescription,
  type Leaf,
  leavesOf,
  type OptionDescription,
  optionsOf,
  usageOf,
} from "./description.js";

/** A name, and what is to be said of it. */
export type Entry = readonly [name: string, text: string];

/** Facts for the manual that are not in the grammar. */
export interface ManualFacts {
  readonly version: string;
  /** 1: a command for everybody. 8: a command for administrators. */
  readonly section: 1 | 8;
  readonly exitStatus: readonly Entry[];
  /** What a program that stays does at a signal. Default: nothing is said. */
  readonly signals?: readonly Entry[];
  readonly environment: readonly Entry[];
  readonly files: readonly Entry[];
}

/** The manual page of a command, in the man macros of roff. */
export function manPage(program: CommandDescription, facts: ManualFacts): string {
  const name = program.name();
  const heading = facts.section === 8 ? "System Administration" : "User Commands";
  return [
    `.TH ${roff(name.toUpperCase())} ${facts.section} "" "${roff(`${name} ${facts.version}`)}" "${heading}"`,
    ".SH NAME",
    `${roff(name)} \\- ${roff(program.description())}`,
    ".SH SYNOPSIS",
    `.B ${roff(name)}`,
    "[options] command [arguments]",
    ".SH OPTIONS",
    ...optionsOf(program).flatMap(optionLines),
    ".SH COMMANDS",
    ...leavesOf(program).flatMap(commandLines),
    ".SH EXIT STATUS",
    ...facts.exitStatus.flatMap(tagged),
    ...(facts.signals === undefined ? [] : [".SH SIGNALS", ...facts.signals.flatMap(tagged)]),
    ".SH ENVIRONMENT",
    ...facts.environment.flatMap(tagged),
    ".SH FILES",
    ...facts.files.flatMap(tagged),
    ".SH EXAMPLES",
    ...exampleLines(program),
  ].join("\n");
}

function commandLines({ command, path }: Leaf): string[] {
  return [
    `.SS ${roff(usageOf(command, path))}`,
    roff(`${command.description()}.`),
    ...(command.remarks ?? []).map(roff),
    ...command.registeredArguments
      .filter(({ description }) => description !== "")
      .flatMap((argument) => tagged([argumentShown(argument), argument.description])),
    ...optionsOf(command).flatMap(optionLines),
    ...exampleLines(command),
  ];
}

function optionLines({ flags, description }: OptionDescription): string[] {
  return tagged([flags, description]);
}

function tagged([tag, text]: Entry): string[] {
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
