import { readFileSync } from "node:fs";
import { type Changes, changesSchema } from "../../src/device/changes.js";
import type { Command } from "../../src/device/command.js";
import { Programs } from "../../src/device/programs.js";

const LINKS = JSON.stringify([
  {
    ifindex: 7,
    ifname: "wg0",
    flags: ["UP"],
    mtu: 1420,
    linkinfo: { info_kind: "wireguard" },
    addr_info: [],
  },
]);

/** Programs that say what they are told to, and run nothing: for a device without a lab. */
class ScriptedPrograms extends Programs {
  readonly commands: Command[] = [];
  readonly #dump: () => string;

  constructor(dump: () => string) {
    super();
    this.#dump = dump;
  }

  override async run(command: Command): Promise<string> {
    this.commands.push(command);
    const { program, args } = command;
    if (program === "wg") return args.includes("dump") ? this.#dump() : "";
    if (program !== "ip") return "";
    // Addresses alone, or with a line of routes below.
    return args.includes("-batch") ? `${LINKS}\n[]\n` : LINKS;
  }

  /** What goes on running says nothing. */
  override lineOf(): ReturnType<Programs["lineOf"]> {
    return { file: process.execPath, args: ["-e", "setInterval(() => {}, 1000)"], env: process.env };
  }
}

/** @param dump - what `wg show wg0 dump` says. */
export function programsThatShow(dump: () => string): {
  programs: Programs;
  commands: readonly Command[];
} {
  const programs = new ScriptedPrograms(dump);
  return { programs, commands: programs.commands };
}

/** What stands in a ledger. */
export function parseLedger(path: string): Changes {
  return changesSchema.parse(JSON.parse(readFileSync(path, "utf8")));
}
