import type { Context } from "./context.js";
import {
  type CommandDescription,
  kindOf,
  type OptionDescription,
  optionsOf,
  valueNameOf,
} from "./description.js";
import type { ExitCode } from "./failure.js";

export type Shell = "bash" | "zsh" | "fish";

/** Prints a shell script that completes command lines. */
export async function completion(
  { output }: Context,
  shell: Shell,
  program: CommandDescription,
): Promise<ExitCode> {
  const script = { bash, zsh, fish }[shell](program);
  await output.line(script.trimEnd());
  return 0;
}

/** A command, with the words that lead to it and the options that it accepts. */
interface Place {
  readonly command: CommandDescription;
  readonly path: readonly string[];
  readonly options: readonly OptionDescription[];
}

function placesOf(program: CommandDescription): Place[] {
  const global = optionsOf(program);
  const walk = (command: CommandDescription, path: readonly string[]): Place[] => [
    { command, path, options: path.length === 0 ? global : [...optionsOf(command), ...global] },
    ...command.commands.flatMap((inner) => walk(inner, [...path, inner.name()])),
  ];
  return walk(program, []);
}

const NAMES = "contact list --names 2>/dev/null";

function kindsOf({ command }: Place): ReturnType<typeof kindOf>[] {
  return command.registeredArguments.map((argument) => kindOf(argument.name()));
}

function wordsOf({ command, options }: Place): string {
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const names = command.commands.map((inner) => inner.name());
  return [...names, ...choices, ...options.flatMap(({ long }) => long ?? []), "--help"].join(" ");
}

function bash(program: CommandDescription): string {
  const places = placesOf(program);
  const valued = [
    ...new Map(places.flatMap(({ options }) => options).map((one) => [one.long, one])).values(),
  ].filter(({ required }) => required);
  const isFile = (option: OptionDescription): boolean => kindOf(valueNameOf(option) ?? "") === "file";
  const pattern = (options: readonly OptionDescription[]): string =>
    options.flatMap(({ long }) => long ?? []).join("|");
  const pathCases = places
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `"${path.join(" ")}"`)
    .join("|");
  const byPlace = places.map((place) => {
    const takesPeer = kindsOf(place).some((kind) => kind === "peer" || kind === "contact");
    const names = takesPeer ? `; [ "$given" = 0 ] && words="$words $("$1" ${NAMES})"` : "";
    return `    "${place.path.join(" ")}") words="${wordsOf(place)}"${names} ;;`;
  });
  return `# Completion for bash: source <(sidewire completion bash)
_sidewire() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path="" given=0 words="" word i
  COMPREPLY=()
  case $prev in
    ${pattern(valued.filter(isFile))})
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
      return ;;
    ${pattern(valued.filter((option) => !isFile(option)))}) return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in
      ${pattern(valued)}) ((i++)); continue ;;
      --) return ;;
      -*) continue ;;
    esac
    case "\${path:+$path }$word" in
      ${pathCases}) path="\${path:+$path }$word" ;;
      *) given=$((given + 1)) ;;
    esac
  done
  case $path in
${byPlace.join("\n")}
  esac
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$cur")
}
complete -F _sidewire sidewire
`;
}

function zsh(program: CommandDescription): string {
  const functionOf = (path: readonly string[]): string => ["_sidewire", ...path].join("_");
  const text = (words: string): string =>
    words.replaceAll(/['"\\[\]:]/g, (c) => (c === "'" ? "’" : `\\${c}`));
  const actionOf = (name: string): string =>
    ({ file: "_files", peer: "_sidewire_names", contact: "_sidewire_names", none: " " })[kindOf(name)];
  const functions = placesOf(program).map(({ command, path, options }) => {
    const specs = options.map((option) => {
      const value = valueNameOf(option);
      const rest = value === undefined ? "" : `:${value}:${actionOf(value)}`;
      return `'*${option.long ?? option.short ?? ""}[${text(option.description)}]${rest}'`;
    });
    const lines = ["'--help[show help]'", ...specs];
    if (command.commands.length > 0) {
      const names = command.commands.map((inner) => `'${inner.name()}:${text(inner.description())}'`);
      const cases = command.commands.map(
        (inner) => `    ${inner.name()}) ${functionOf([...path, inner.name()])} ;;`,
      );
      return `${functionOf(path)}() {
  local line state
  _arguments -C ${lines.join(" \\\n    ")} \\
    '1: :->command' '*:: :->arguments'
  case $state in
    command) local -a names; names=(${names.join(" ")}); _describe command names ;;
    arguments) case $line[1] in
${cases.join("\n")}
    esac ;;
  esac
}`;
    }
    const given = command.registeredArguments.map((argument, i) => {
      const choices = argument.argChoices;
      const action = choices === undefined ? actionOf(argument.name()) : `(${choices.join(" ")})`;
      return `'${argument.variadic ? "*" : i + 1}:${argument.name()}:${action}'`;
    });
    return `${functionOf(path)}() {
  _arguments ${[...lines, ...given].join(" \\\n    ")}
}`;
  });
  return `#compdef sidewire
# Completion for zsh: a file _sidewire in a folder of $fpath, or source <(sidewire completion zsh) after compinit
_sidewire_names() {
  local -a names
  names=(\${(f)"$(sidewire ${NAMES})"})
  compadd -a names
}
${functions.join("\n")}
if [ "$funcstack[1]" = _sidewire ]; then _sidewire "$@"; else compdef _sidewire sidewire; fi
`;
}

function fish(program: CommandDescription): string {
  const text = (words: string): string => `'${words.replaceAll(/['\\]/g, (c) => `\\${c}`)}'`;
  const optionLine = (option: OptionDescription): string => {
    const value = valueNameOf(option);
    const takes = value === undefined ? "" : kindOf(value) === "file" ? " -r -F" : " -x";
    return `-l ${option.long?.slice(2) ?? ""}${takes} -d ${text(option.description)}`;
  };
  const lines = placesOf(program).flatMap(({ command, path, options }) => {
    const inner = command.commands.map((one) => one.name());
    const seen = path.map((name) => `__fish_seen_subcommand_from ${name}`);
    const unseen = inner.length === 0 ? [] : [`not __fish_seen_subcommand_from ${inner.join(" ")}`];
    const condition = [...seen, ...unseen].join("; and ");
    const complete = `complete -c sidewire -n ${text(condition)}`;
    const own =
      path.length === 0 ? [] : options.filter((option) => command.options.some((one) => one === option));
    const kinds = kindsOf({ command, path, options });
    const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
    return [
      ...command.commands.map((one) => `${complete} -a ${one.name()} -d ${text(one.description())}`),
      ...own.map((option) => `${complete} ${optionLine(option)}`),
      ...choices.map((choice) => `${complete} -a ${choice}`),
      ...(kinds.some((kind) => kind === "peer" || kind === "contact")
        ? [`${complete} -a '(sidewire ${NAMES})'`]
        : []),
    ];
  });
  const global = optionsOf(program).map((option) => `complete -c sidewire ${optionLine(option)}`);
  return `# Completion for fish: sidewire completion fish > ~/.config/fish/completions/sidewire.fish
complete -c sidewire -f
${[...global, ...lines].join("\n")}
`;
}
