import { join } from "node:path";
import { NETNS } from "./names.js";
import { type LongRunning, start } from "./process.js";
import { type Finished, type RunOptions, run, tryRun } from "./run.js";

/** What is set in a namespace, in this order. */
export interface Settings {
  /** Paths below `/proc/sys`, which may have `*`, and their values. */
  readonly sysctls?: readonly (readonly [path: string, value: string | number])[];
  /** Lines for `ip -batch`. */
  readonly ip?: readonly string[];
  /** Lines for `ip -6 -batch`: those that do not show that they are about IPv6. */
  readonly ip6?: readonly string[];
  /** A text for `nft -f`. */
  readonly nft?: string;
}

/** A network namespace. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** The command that runs another in here. */
  command(argv: readonly string[]): string[] {
    return ["nsenter", `--net=${join(NETNS, this.name)}`, "--", ...argv];
  }

  /** Runs a program to its end and returns what it wrote; throws when it fails. */
  async run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return await run(this.command(argv), options);
  }

  /** Runs a program to its end, whatever that is. */
  async tryRun(argv: readonly string[], options?: RunOptions): Promise<Finished> {
    return await tryRun(this.command(argv), options);
  }

  /** Starts a program that stays. */
  spawn(argv: readonly string[], env?: NodeJS.ProcessEnv): LongRunning {
    return start(this.command(argv), env);
  }

  /** Sets things in one go: a process for each costs more than what it does. */
  async set({ sysctls = [], ip = [], ip6 = [], nft = "" }: Settings): Promise<void> {
    const lines = ["set -e"];
    for (const [path, value] of sysctls)
      lines.push(`for f in /proc/sys/${path}; do echo ${value} > $f; done`);
    if (ip.length > 0) lines.push("ip -batch - <<'END'", ...ip, "END");
    if (ip6.length > 0) lines.push("ip -6 -batch - <<'END'", ...ip6, "END");
    if (nft !== "") lines.push("nft -f - <<'END'", nft, "END");
    if (lines.length === 1) return;
    const input = `${lines.join("\n")}\n`;
    const { code, stdout, stderr } = await this.tryRun(["sh", "-s"], { input });
    if (code !== 0) throw new Error(`lab: ${this.name} does not take this:\n${stderr}${stdout}${input}`);
  }
}
