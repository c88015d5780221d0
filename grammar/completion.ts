import { bashScript } from "./completion-bash.js";
import { fishScript } from "./completion-fish.js";
import { type Completion, placesOf, type Values } from "./completion-places.js";
import { zshScript } from "./completion-zsh.js";
import type { CommandDescription } from "./description.js";
import type { Shell } from "./shells.js";

/**
 * A shell script that completes command lines.
 * @param values - what the values of options and arguments are completed with
 */
export function completionScript(shell: Shell, program: CommandDescription, values: Values): string {
  const completion: Completion = { name: program.name(), places: placesOf(program), values };
  return { bash: bashScript, zsh: zshScript, fish: fishScript }[shell](completion);
}
