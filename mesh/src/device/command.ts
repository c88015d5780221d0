/** What goes to a program's standard input. */
export interface Input {
  readonly text: string;
  /** A secret is never shown, only that there is one. */
  readonly isSecret: boolean;
}

/** A program and its arguments, one by one: no shell ever reads them. */
export interface Command {
  readonly program: "wg" | "ip" | "nft" | "wireguard-go";
  readonly args: readonly string[];
  readonly input?: Input;
}

/** Who runs commands, or notes them down. */
export interface Runner {
  /**
   * Runs one to its end.
   * @returns what it wrote to standard output
   * @throws {@link MeshError} `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED`
   */
  run(command: Command, signal?: AbortSignal): Promise<string>;
}

/** Notes commands down instead of running them: what `--dry-run` shows. */
export class Recorder implements Runner {
  readonly commands: Command[] = [];

  run(command: Command): Promise<string> {
    this.commands.push(command);
    return Promise.resolve("");
  }
}

/** A command as a shell would be told it. In the place of a secret stands what it is. */
export function formatCommand({ program, args, input }: Command): string {
  const line = [program, ...args].map(quote).join(" ");
  if (input === undefined) return line;
  return input.isSecret ? `${line} <<< "(a secret key)"` : `${line} <<'END'\n${input.text.trimEnd()}\nEND`;
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Peers that one command names: a command line is bounded. */
const PEERS_A_COMMAND = 200;

/** What fits into one command line each. */
export function inParts<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / PEERS_A_COMMAND) }, (_, i) =>
    all.slice(i * PEERS_A_COMMAND, (i + 1) * PEERS_A_COMMAND),
  );
}
