import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { onTestFinished } from "vitest";

/** How a program is run. */
export interface Forking {
  /** For Node. */
  readonly execArgv?: readonly string[];
  /** Where its end is asked for. By default with the test. */
  readonly atTheEnd?: (end: () => Promise<void>) => void;
  /** Whether it ends by its channel, with all that it does at an exit, rather than at once. */
  readonly isGraceful?: boolean;
}

const scripts = new Map<string, Promise<string>>();

/**
 * Runs a program of the tests in a process of its own, with a channel. It exits when the channel is closed, also where
 * the tests are killed.
 * @param source - the program, in TypeScript
 */
export async function forkProgram(
  source: URL,
  { execArgv = [], atTheEnd = onTestFinished, isGraceful = false }: Forking = {},
): Promise<ChildProcess> {
  const script = scripts.get(source.href) ?? makeScript(source);
  scripts.set(source.href, script);
  const child = fork(await script, {
    execArgv: ["--enable-source-maps", ...execArgv],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  atTheEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    if (isGraceful) child.disconnect();
    else child.kill("SIGKILL");
    await gone;
  });
  return child;
}

/** Plain, so that not every process compiles the library; inside the package, so that it finds its dependencies. */
async function makeScript(source: URL): Promise<string> {
  const name = basename(source.pathname, ".ts");
  const folder = fileURLToPath(
    new URL(`../../node_modules/.cache/sidewire-${name}-${process.pid}/`, import.meta.url),
  );
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  await build({
    entryPoints: [fileURLToPath(source)],
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    sourcemap: "inline",
  });
  return `${folder}${name}.mjs`;
}
