import { type Completion, isFile, type Place, takesFile, wordPrinters } from "./completion-places.js";
import { type OptionDescription, optionsOf, valueNameOf } from "./description.js";

function text(words: string): string {
  return `'${words.replaceAll(/['\\]/g, (c) => `\\${c}`)}'`;
}

/**
 * The condition for being in a place: the words that lead to it were seen, and none that leads further. `status` alone
 * is not `service status`, so the groups that have a command of this name were not seen either.
 */
function conditionOf({ command, path }: Place, places: readonly Place[]): string {
  const [first = "", ...more] = path;
  const groups =
    path.length === 0 || more.length > 0
      ? []
      : places.filter((place) => place.command.commands.some((inner) => inner.name() === first));
  const unseen = [
    ...command.commands.map((inner) => inner.name()),
    ...groups.flatMap((group) => group.path.slice(0, 1)),
  ];
  return [
    ...path.map((name) => `__fish_seen_subcommand_from ${name}`),
    ...(unseen.length === 0 ? [] : [`not __fish_seen_subcommand_from ${unseen.join(" ")}`]),
  ].join("; and ");
}

export function fishScript({ name, places, values }: Completion): string {
  const optionLine = (option: OptionDescription): string => {
    const value = valueNameOf(option);
    const printer = values.words[value ?? ""]?.(name);
    const words = printer === undefined ? "" : ` -a ${text(`(${printer})`)}`;
    const takes = value === undefined ? "" : isFile(option, values) ? " -r -F" : ` -x${words}`;
    const short = option.short === undefined ? "" : `-s ${option.short.slice(1)} `;
    return `${short}-l ${option.long?.slice(2) ?? ""}${takes} -d ${text(option.description)}`;
  };
  const lines = places.flatMap((place) => {
    const { command, path, options } = place;
    const complete = `complete -c ${name} -n ${text(conditionOf(place, places))}`;
    const own =
      path.length === 0 ? [] : options.filter((option) => command.options.some((one) => one === option));
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    return [
      ...command.commands.map((one) => `${complete} -a ${one.name()} -d ${text(one.description())}`),
      ...own.map((option) => `${complete} ${optionLine(option)}`),
      ...choices.map((choice) => `${complete} -a ${choice}`),
      ...wordPrinters(place, values, name).map((printer) => `${complete} -a ${text(`(${printer})`)}`),
      ...(takesFile(place, values) ? [`${complete} -F`] : []),
    ];
  });
  const [program] = places;
  const global = program === undefined ? [] : optionsOf(program.command);
  return `# Completion for fish: ${name} completion fish > ~/.config/fish/completions/${name}.fish
complete -c ${name} -f
${[...global.map((option) => `complete -c ${name} ${optionLine(option)}`), ...lines].join("\n")}`;
}
