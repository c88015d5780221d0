import {
  type Completion,
  isFile,
  namesOf,
  type Place,
  takesFile,
  wordPrinters,
} from "./completion-places.js";
import { type OptionDescription, valueNameOf } from "./description.js";

/** The words that are always possible in a place. */
function wordsOf({ command, options }: Place): string {
  const choices = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const names = command.commands.map((inner) => inner.name());
  return [...names, ...choices, ...options.flatMap(({ long }) => long ?? []), "--help"].join(" ");
}

/** A pattern of `case` for the names of options; one that nothing matches if there are none. */
function pattern(options: readonly OptionDescription[]): string {
  return options.length === 0 ? '""' : options.flatMap(namesOf).join("|");
}

export function bashScript({ name, places, values }: Completion): string {
  const self = `_${name.replaceAll("-", "_")}`;
  const valued = [
    ...new Map(places.flatMap(({ options }) => options).map((one) => [one.long, one])).values(),
  ].filter(({ required }) => required);
  const printerOf = (option: OptionDescription): string | undefined =>
    values.words[valueNameOf(option) ?? ""]?.('"$1"');
  const printed = valued.flatMap((option) => {
    const printer = printerOf(option);
    return printer === undefined ? [] : [`    ${pattern([option])}) words=$(${printer}) value=1 ;;`];
  });
  const others = valued.filter((option) => !isFile(option, values) && printerOf(option) === undefined);
  const pathCases = places
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `"${path.join(" ")}"`)
    .join("|");
  const byPlace = places.map((place) => {
    const printers = wordPrinters(place, values, '"$1"').map((printer) => `$(${printer})`);
    const more = printers.length > 0 ? `; [ "$given" = 0 ] && words="$words ${printers.join(" ")}"` : "";
    const files = takesFile(place, values) ? `; [ "$given" = 0 ] && files=1` : "";
    return `    "${place.path.join(" ")}") words="${wordsOf(place)}"${more}${files} ;;`;
  });
  return `# Completion for bash: source <(${name} completion bash)
${self}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  local path="" given=0 words="" files="" value="" word i
  COMPREPLY=()
  case $prev in
    ${pattern(valued.filter((option) => isFile(option, values)))}) files=1 value=1 ;;
${printed.map((line) => `${line}\n`).join("")}    ${pattern(others)}) return ;;
  esac
  if [ -z "$value" ]; then
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
  fi
  if [ -n "$files" ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")
  fi
  while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$words" -- "$cur")
}
complete -F ${self} ${name}`;
}
