/** An option, as the grammar has it. */
export interface OptionDescription {
  readonly long?: string | undefined;
  readonly short?: string | undefined;
  readonly flags: string;
  readonly description: string;
  readonly hidden: boolean;
  /** Whether a value has to follow. */
  readonly required: boolean;
}

/** An argument, as the grammar has it. */
export interface ArgumentDescription {
  name(): string;
  readonly description: string;
  readonly required: boolean;
  readonly variadic: boolean;
  readonly argChoices?: readonly string[] | undefined;
}

/** A command, as the grammar has it: what completion and the manual are made from. */
export interface CommandDescription {
  name(): string;
  description(): string;
  readonly options: readonly OptionDescription[];
  readonly registeredArguments: readonly ArgumentDescription[];
  readonly commands: readonly CommandDescription[];
  readonly examples?: readonly string[];
}

/** The options that are told of. */
export function optionsOf(command: CommandDescription): readonly OptionDescription[] {
  return command.options.filter(({ hidden }) => !hidden);
}

/** What kind of value an option or argument takes, by its name in the grammar. */
export function kindOf(name: string): "file" | "peer" | "contact" | "none" {
  if (/^(file|program)$/.test(name)) return "file";
  if (name === "dest") return "peer";
  return name === "contact" ? "contact" : "none";
}

/** The name of an option's value. */
export function valueNameOf({ flags }: OptionDescription): string | undefined {
  return /<(.*)>/.exec(flags)?.[1];
}

/** As it stands in a usage line. */
export function argumentShown(argument: ArgumentDescription): string {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}
