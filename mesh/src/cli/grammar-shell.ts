import { Argument } from "commander";
import type { DescribedCommand } from "../../../grammar/described-command.js";
import { SHELLS, type Shell } from "../../../grammar/shells.js";
import type { Choose } from "./grammar.js";

/** The commands for the shell of a person: completion, manual, help. */
export function describeShell(program: DescribedCommand, choose: Choose): void {
  program
    .command("completion")
    .description("print what completes command lines, for a shell")
    .addArgument(new Argument("<shell>", "bash, zsh or fish").choices(SHELLS))
    .example("source <(sidewire-mesh completion bash)", "sidewire-mesh completion fish | source")
    .action((shell: Shell) => {
      choose(async (context) => (await import("./completion.js")).completion(context, shell, program), "any");
    });

  program
    .command("man")
    .description("print the manual page")
    .example("sidewire-mesh man | man -l -")
    .action(() => {
      // The package is built on other systems, too.
      choose(async (context) => (await import("./man-page.js")).man(context, program), "any");
    });

  program
    .command("help")
    .description("display help for a command")
    .argument("[command]")
    .action((name: string | undefined) => {
      const command = name === undefined ? program : program.commands.find((one) => one.name() === name);
      if (command === undefined) return program.error(`unknown command '${name}'`);
      command.help();
    });
}
