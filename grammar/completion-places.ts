import { type CommandDescription, type OptionDescription, optionsOf, valueNameOf } from "./description.js";

/** What the values of options and arguments are completed with. A value is known by its name in the grammar. */
export interface Values {
  /** The names of values that are files or folders. */
  readonly files: readonly string[];
  /**
   * By the name of a value: the command that prints the words to choose from, one a line. The command's own name is
   * given, as the shell knows it.
   */
  readonly words: Readonly<Record<string, (command: string) => string>>;
}

/** A command, with the words that lead to it and the options that it accepts. */
export interface Place {
  readonly command: CommandDescription;
  readonly path: readonly string[];
  readonly options: readonly OptionDescription[];
}

/** Everything that a script is made from. */
export interface Completion {
  /** The command's name. */
  readonly name: string;
  readonly places: readonly Place[];
  readonly values: Values;
}

/** The command itself, and every command and group of commands below it. */
export function placesOf(program: CommandDescription): Place[] {
  const global = optionsOf(program);
  const walk = (command: CommandDescription, path: readonly string[]): Place[] => [
    { command, path, options: path.length === 0 ? global : [...optionsOf(command), ...global] },
    ...command.commands.flatMap((inner) => walk(inner, [...path, inner.name()])),
  ];
  return walk(program, []);
}

/** Whether the value of an option is a file or a folder. */
export function isFile(option: OptionDescription, { files }: Values): boolean {
  return files.includes(valueNameOf(option) ?? "");
}

/** The names of an option: `-c` and `--count`. */
export function namesOf({ short, long }: OptionDescription): string[] {
  return [short, long].filter((name) => name !== undefined);
}

/** The commands that print words for the arguments of a command, each once. */
export function wordPrinters({ command }: Place, { words }: Values, name: string): string[] {
  const printers = command.registeredArguments.flatMap((argument) => words[argument.name()] ?? []);
  return [...new Set(printers.map((printer) => printer(name)))];
}

/** Whether one of a command's arguments is a file. */
export function takesFile({ command }: Place, { files }: Values): boolean {
  return command.registeredArguments.some((argument) => files.includes(argument.name()));
}
