/** An option of the grammar. */
export interface OptionDescription {
  readonly long?: string | undefined;
  readonly short?: string | undefined;
  readonly flags: string;
  readonly description: string;
  readonly hidden: boolean;
  /** Whether the option requires a value. */
  readonly required: boolean;
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
  readonly examples?: readonly string[];
}

/** The options that users see. */
export function optionsOf(command: CommandDescription): readonly OptionDescription[] {
  return command.options.filter(({ hidden }) => !hidden);
}

/** The kind of value of an option or argument, by its name in the grammar. */
export function kindOf(name: string): "file" | "peer" | "contact" | "none" {
  if (/^(file|program)$/.test(name)) return "file";
  if (name === "dest") return "peer";
  return name === "contact" ? "contact" : "none";
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
