import { Command } from "commander";

/** A command with remarks and examples. They are shown at the end of its help and in the manual. */
export class DescribedCommand extends Command {
  readonly remarks: string[] = [];
  readonly examples: string[] = [];

  override createCommand(name?: string): DescribedCommand {
    return new DescribedCommand(name);
  }

  /** Adds a sentence. */
  remark(text: string): this {
    this.remarks.push(text);
    return this.addHelpText("after", `\n${text}`);
  }

  /** Adds command lines. A line that begins with a space continues the one before. */
  example(...lines: readonly string[]): this {
    this.examples.push(...lines);
    const title = lines.length > 1 ? "Examples" : "Example";
    return this.addHelpText("after", `\n${title}:\n${lines.map((line) => `  ${line}`).join("\n")}`);
  }
}
