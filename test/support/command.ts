import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { Keypair } from "../../src/index.js";
import type { InTerminal } from "./needs.js";

const ROOT = join(import.meta.dirname, "../..");
const COMMAND = join(ROOT, "dist/cli.js");

/** How long something may take to be said, ms. */
const PATIENCE_MS = 40_000;

// Every command is a process of its own: on a busy machine that takes its time.
vi.setConfig({ testTimeout: 60_000 });

/** A command that has ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A command that runs, or has ended. */
export class Running {
  out = "";
  err = "";
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  #changed: () => void = () => {};

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.out += text;
      this.#changed();
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.err += text;
      this.#changed();
    });
    this.ended = once(child, "close").then(([code, signal]) => {
      this.#changed();
      return { code, signal, out: this.out, err: this.err };
    });
    child.stdin?.on("error", () => {});
  }

  /** Types something. */
  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Ends it with a signal. */
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
      if (performance.now() - startedAt >= PATIENCE_MS || (isOver && this.child.stdout?.readableEnded)) {
        throw new Error(`not said\nstdout: ${this.out}\nstderr: ${this.err}`);
      }
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
    clearTimeout(deadline);
  }
}

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  /** Leaves stdin open, to type into it. */
  readonly open?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** Somebody's home: folders for keys and hints, where no other test looks. */
export class Home {
  readonly folder: string = mkdtempSync(join(tmpdir(), "sidewire-home-"));

  constructor() {
    checkCurrent();
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** Where the command keeps its key. */
  get keyFile(): string {
    return this.path("config/sidewire/key");
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array | object, mode = 0o644): string {
    const path = this.path(name);
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    const plain = typeof content === "string" || content instanceof Uint8Array;
    writeFileSync(path, plain ? content : JSON.stringify(content), { mode });
    return path;
  }

  /** A key in its place. @returns its address */
  makeKey(): string {
    const keys = Keypair.generate();
    this.write("config/sidewire/key", `${Buffer.from(keys.secretKey).toString("hex")}\n`, 0o600);
    return keys.publicKeyHex;
  }

  /** Starts the command; it is gone when the test is over. */
  start(args: readonly string[], options: CommandOptions = {}): Running {
    return this.#spawn(process.execPath, [COMMAND, ...args], options);
  }

  /** Starts it in a terminal of 80 columns, or as many as asked for, which gets everything that it says, and can be typed into. */
  startIn(
    terminal: InTerminal,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    columns?: number,
  ): Running {
    const [program = "", ...rest] = terminal([process.execPath, COMMAND, ...args], columns);
    return this.#spawn(program, rest, {
      open: true,
      env: { TERM: "xterm-256color", ...env },
    });
  }

  /** Puts the command where a shell finds it. */
  link(name: string): void {
    const path = this.write(name, "");
    rmSync(path);
    symlinkSync(COMMAND, path);
  }

  /** Runs a script. */
  shell(script: string, options: CommandOptions = {}): Running {
    return this.#spawn("bash", ["-c", script], options);
  }

  /** Runs the command to its end. */
  async run(args: readonly string[], options: CommandOptions = {}): Promise<Ended> {
    return await this.start(args, options).ended;
  }

  /** Listens as the key in its place, from when it says so. */
  async listen(args: readonly string[], options: CommandOptions = {}): Promise<Running> {
    const listening = this.start(["listen", ...args], options);
    await listening.until(({ out, err }) => err.includes("Listening as") || out.includes('"listening"'));
    return listening;
  }

  #spawn(program: string, args: readonly string[], { input, open, env }: CommandOptions): Running {
    const {
      SIDEWIRE_KEY: _,
      SIDEWIRE_BROKERS: _____,
      NO_COLOR: __,
      FORCE_COLOR: ___,
      CI: ____,
      ...inherited
    } = process.env;
    const folders = {
      HOME: this.folder,
      XDG_CONFIG_HOME: this.path("config"),
      XDG_CACHE_HOME: this.path("cache"),
    };
    const child = spawn(program, args, {
      cwd: this.folder,
      env: { ...inherited, ...folders, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const running = new Running(child);
    if (!open) child.stdin.end(input ?? "");
    onTestFinished(async () => {
      child.kill("SIGKILL");
      await running.ended;
    });
    return running;
  }
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
  const src = join(ROOT, "src");
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).map((name) => join(src, name));
  const newest = Math.max(
    ...files.filter((file) => file.endsWith(".ts")).map((file) => statSync(file).mtimeMs),
  );
  const built = statSync(COMMAND, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (built < newest) throw new Error("dist is older than src: npm run build");
}
