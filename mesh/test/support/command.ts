import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const MESH = join(import.meta.dirname, "../..");

/** How long something may take to be said, ms. */
const PATIENCE_MS = 40_000;

/** A command that has ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

export interface CommandOptions {
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

/** A command that runs, or has ended; it is gone when the test is over. */
export class Running {
  out = "";
  err = "";
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #changed: () => void = () => {};

  constructor(program: string, args: readonly string[], { input = "", env, cwd }: CommandOptions = {}) {
    const { NO_COLOR: _, FORCE_COLOR: __, NOTIFY_SOCKET: ___, ...inherited } = process.env;
    const child = spawn(program, [...args], {
      env: { ...inherited, ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    this.child = child;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.out += text;
      this.#changed();
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.err += text;
      this.#changed();
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    this.ended = once(child, "close").then(([code, signal]) => {
      this.#changed();
      return { code, signal, out: this.out, err: this.err };
    });
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await this.ended;
    });
  }

  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<Ended> {
    this.child.kill(signal);
    return await this.ended;
  }

  /** Resolves once something was said. */
  async until(holds: (running: Running) => boolean): Promise<void> {
    const deadline = setTimeout(() => this.#changed(), PATIENCE_MS);
    const startedAt = performance.now();
    while (!holds(this)) {
      const isOver = this.child.exitCode !== null || this.child.signalCode !== null;
      if (performance.now() - startedAt >= PATIENCE_MS || (isOver && this.child.stdout?.readableEnded))
        throw new Error(`not said\nstdout: ${this.out}\nstderr: ${this.err}`);
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    clearTimeout(deadline);
  }
}

/** Starts the command as it is built. */
export function start(args: readonly string[], options: CommandOptions = {}): Running {
  checkCurrent();
  return new Running(process.execPath, [join(MESH, "bin/sidewire-mesh.js"), ...args], options);
}

/** Runs the command to its end. */
export async function run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
  return await start(args, options).ended;
}

/** The objects on the lines of a text; fails where a line is something else. */
export function objects(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
      throw new Error(`not an object: ${line}`);
    });
}

/** What is tested is the command as it is built. */
function checkCurrent(): void {
  const src = join(MESH, "src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  const newest = Math.max(...files.map((file) => statSync(join(src, file)).mtimeMs));
  const built = statSync(join(MESH, "dist/cli/main.cjs"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < newest) throw new Error("mesh/dist is older than mesh/src: npm run build");
}
