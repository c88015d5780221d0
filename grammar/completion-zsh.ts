import { type Completion, namesOf, type Place } from "./completion-places.js";
import { valueNameOf } from "./description.js";

/** A text between single quotes and brackets. */
function text(words: string): string {
  return words.replaceAll(/['"\\[\]:]/g, (c) => (c === "'" ? "’" : `\\${c}`));
}

export function zshScript({ name, places, values }: Completion): string {
  const functionOf = (path: readonly string[]): string => [`_${name}`, ...path].join("_");
  // No command is called like this, so no function of a command is.
  const namesFor = (value: string): string => `_${name}__${value}`;
  const actionOf = (value: string): string => {
    if (values.files.includes(value)) return "_files";
    return value in values.words ? namesFor(value) : " ";
  };
  const printers = Object.entries(values.words).map(
    ([value, printer]) => `${namesFor(value)}() {
  local -a names
  names=(\${(f)"$(${printer(name)})"})
  compadd -a names
}`,
  );
  const functions = places.map(({ command, path, options }: Place) => {
    const specs = options.flatMap((option) => {
      const value = valueNameOf(option);
      const rest = value === undefined ? "" : `:${value}:${actionOf(value)}`;
      return namesOf(option).map((one) => `'*${one}[${text(option.description)}]${rest}'`);
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
  return `#compdef ${name}
# Completion for zsh: a file _${name} in a folder of $fpath, or source <(${name} completion zsh) after compinit
${[...printers, ...functions].join("\n")}
if [ "$funcstack[1]" = _${name} ]; then _${name} "$@"; else compdef _${name} ${name}; fi`;
}
