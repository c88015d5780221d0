/** The standard input of a program. */
export interface Input {
  readonly text: string;
  /** A secret is never shown; only its existence is. */
  readonly isSecret: boolean;
}

/** A program and its arguments. The arguments are passed one by one, without a shell. */
export interface Command {
  readonly program: "wg" | "ip" | "nft" | "wireguard-go";
  readonly args: readonly string[];
  readonly input?: Input;
}

/** Runs commands, or records them. */
export interface Runner {
  /**
   * Runs a command to its end.
   * @returns what the command wrote to standard output
   * @throws {@link MeshError} `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED`
   */
  run(command: Command, signal?: AbortSignal): Promise<string>;
}

/** Records commands instead of running them, for `--dry-run`. */
export class Recorder implements Runner {
  readonly commands: Command[] = [];

  run(command: Command): Promise<string> {
    this.commands.push(command);
    return Promise.resolve("");
  }
}

/** A command as a line for a shell. A secret input is replaced by a description. */
export function formatCommand({ program, args, input }: Command): string {
  const line = [program, ...args].map(quote).join(" ");
  if (input === undefined) return line;
  return input.isSecret ? `${line} <<< "(a secret key)"` : `${line} <<'END'\n${input.text.trimEnd()}\nEND`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The maximum number of peers in one command, because the length of a command line is limited. */
const PEERS_A_COMMAND = 200;

/** Splits a list into parts that fit into one command line each. */
export function inParts<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / PEERS_A_COMMAND) }, (_, i) =>
    all.slice(i * PEERS_A_COMMAND, (i + 1) * PEERS_A_COMMAND),
  );
}
