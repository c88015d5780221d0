import { spawn } from "node:child_process";
import { access, constants, open, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** The time limit of a program, in ms. These programs answer in milliseconds. */
const TIMEOUT_MS = 5000;

/** The maximum number of bytes that are read from a program. The interesting part is shorter. */
const MAX_OUTPUT_BYTES = 1 << 20;

/** The machine as `doctor` sees it. Tests replace it. */
export interface Machine {
  /** The path of a program; undefined when it is not installed. */
  find(program: string): Promise<string | undefined>;
  /** Runs a program. `code` is undefined when the program could not be started or did not end in time. */
  run(
    program: string,
    args: readonly string[],
    input?: string,
    timeoutMs?: number,
  ): Promise<{ readonly code: number | undefined; readonly said: string }>;
  /** The text of a file; undefined when it cannot be read. */
  read(path: string): Promise<string | undefined>;
  /** Tries to open a device or file. @returns the system's error code, or undefined when it can be opened */
  tryOpen(path: string): Promise<string | undefined>;
}

export const thisMachine: Machine = {
  async find(program) {
    for (const folder of searchPath()) {
      const path = join(folder, program);
      if (
        await access(path, constants.X_OK).then(
          () => true,
          () => false,
        )
      )
        return path;
    }
    return undefined;
  },

  async run(program, args, input = "", timeoutMs = TIMEOUT_MS) {
    const path = await thisMachine.find(program);
    if (path === undefined) return { code: undefined, said: "it is not installed" };
    return await new Promise((resolve) => {
      const env = { ...process.env, LC_ALL: "C" };
      const child = spawn(path, [...args], { env, timeout: timeoutMs, killSignal: "SIGKILL" });
      let said = "";
      const hear = (text: string): void => {
        if (said.length < MAX_OUTPUT_BYTES) said += text;
      };
      child.stdout.setEncoding("utf8").on("data", hear);
      child.stderr.setEncoding("utf8").on("data", hear);
      child.stdin.on("error", () => {});
      child.stdin.end(input);
      child.once("error", ({ message }) => resolve({ code: undefined, said: message }));
      child.once("close", (code) => resolve({ code: code ?? undefined, said: said.trim() }));
    });
  },

  async read(path) {
    return await readFile(path, "utf8").catch(() => undefined);
  },

  async tryOpen(path) {
    try {
      await (await open(path, "r+")).close();
      return undefined;
    } catch (error) {
      return error instanceof Error && "code" in error ? String(error.code) : String(error);
    }
  },
};

/** The folders of PATH, and those where `ip` and `nft` may be although PATH of a normal user does not contain them. */
function searchPath(): string[] {
  const path = (process.env.PATH ?? "").split(delimiter);
  return [...new Set([...path, "/usr/local/sbin", "/usr/sbin", "/sbin"])].filter((folder) => folder !== "");
}
