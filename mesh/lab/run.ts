import { spawn } from "node:child_process";

export interface RunOptions {
  /** What it reads. Default: nothing. */
  readonly input?: string;
  /** Milliseconds after which it is killed. Default: 60 000. */
  readonly timeoutMs?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface Finished {
  /** Null for one that a signal ended. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever that is. */
export async function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { input = "", timeoutMs = 60_000, env = process.env, cwd } = options;
  const [program = "", ...args] = argv;
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, ...(cwd === undefined ? {} : { cwd }) });
    const out = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (chunk: string) => {
        out[name] += chunk;
      });
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...out });
    });
    // One that ends without reading closes the pipe.
    child.stdin.on("error", () => {}).end(input);
  });
}

/**
 * Runs a program, and returns what it wrote.
 * @throws when it does not end with 0, with what it wrote
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRun(argv, options);
  if (code === 0) return stdout;
  throw new Error(`${argv.join(" ")} ended with ${code ?? "a signal"}:\n${stderr}${stdout}`);
}
