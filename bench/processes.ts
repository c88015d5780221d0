import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import type { Answer, Call, Tasks } from "./worker.js";

/** The build that is measured, unless the environment names another. */
const DIST: string = new URL("../dist/index.js", import.meta.url).href;

/** Where the worker is built: inside the package, so that it finds the same dependencies. */
const FOLDER: string = fileURLToPath(new URL("../node_modules/.cache/sidewire-bench/", import.meta.url));

/** Makes a plain script of the worker, so that no loader runs in what is measured. */
export async function buildWorker(): Promise<void> {
  await build({
    entry: [fileURLToPath(new URL("./worker.ts", import.meta.url))],
    outDir: FOLDER,
    format: "esm",
    target: "es2022",
    outExtension: () => ({ js: ".mjs" }),
    config: false,
    // What is measured is the package's; the rest comes from where it is installed.
    skipNodeModulesBundle: true,
    silent: true,
  });
}

/** Removes what {@link buildWorker} made. */
export function removeWorker(): void {
  rmSync(FOLDER, { recursive: true, force: true });
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A process that does tasks. */
export class Process {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;

  /** @param flags - for Node */
  constructor(flags: readonly string[]) {
    this.#child = fork(`${FOLDER}worker.mjs`, [], {
      execArgv: [...flags],
      env: { SIDEWIRE_DIST: DIST, ...process.env },
    });
    this.#child.on("message", ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`in a process of the benchmark: ${error}`));
    });
    this.#child.once("exit", (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`a process of the benchmark ended with ${code ?? signal}`));
    });
  }

  /** Does a task there. */
  async call<K extends keyof Tasks>(
    task: K,
    ...args: Parameters<Tasks[K]>
  ): Promise<Awaited<ReturnType<Tasks[K]>>> {
    const id = this.#calls++;
    const result = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#child.send({ id, task, args } satisfies Call);
    // Every task returns plain data, which arrives as it left.
    return (await result) as Awaited<ReturnType<Tasks[K]>>;
  }

  /** Ends it. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, "exit");
    if (this.#child.connected) this.#child.disconnect();
    await gone;
  }
}
