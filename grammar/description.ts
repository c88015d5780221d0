/** An option of the grammar. */
export interface OptionDescription {
  readonly long?: string | undefined;
  readonly short?: string | undefined;
  readonly flags: string;
  readonly description: string;
  readonly hidden: boolean;
  /** Whether the option requires a value. */
  readonly required: boolean;
  /** The value without the option, if the grammar sets one. */
  readonly defaultValue?: unknown;
}

/** An argument of the grammar. */
export interface ArgumentDescription {
  name(): string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly argChoices?: readonly string[] | undefined;
}

/** A command of the grammar. Completion scripts and the manual are made from these descriptions. */
export interface CommandDescription {
  name(): string;
  description(): string;
  readonly options: readonly OptionDescription[];
  readonly registeredArguments: readonly ArgumentDescription[];
  readonly commands: readonly CommandDescription[];
  readonly remarks?: readonly string[];
  readonly examples?: readonly string[];
}

/** The options that users see. */
export function optionsOf(command: CommandDescription): readonly OptionDescription[] {
  return command.options.filter(({ hidden }) => !hidden);
}

/** The name of an option's value; undefined for an option without a value. */
export function valueNameOf({ flags }: OptionDescription): string | undefined {
  return /<(.*)>/.exec(flags)?.[1];
}

/** The argument as it is shown in a usage line. */
export function argumentShown(argument: ArgumentDescription): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** The command line of a command, as the manual shows it. */
export function usageOf(command: CommandDescription, path: string): string {
  const options = optionsOf(command).length > 0 ? ["[options]"] : [];
  return [path, ...options, ...command.registeredArguments.map(argumentShown)].join(" ");
}

/** A command that does something, and the words that lead to it. Groups of commands are left out. */
export interface Leaf {
  readonly command: CommandDescription;
  readonly path: string;
}

/** Every command below a command, in the order of the grammar. */
export function leavesOf(program: CommandDescription): Leaf[] {
  const walk = (command: CommandDescription, before: string): Leaf[] => {
    const path = `${before} ${command.name()}`;
    return command.commands.length > 0
      ? command.commands.flatMap((inner) => walk(inner, path))
      : [{ command, path }];
  };
  return program.commands.flatMap((command) => walk(command, program.name()));
}
