import { fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { onTestFinished } from "vitest";
import type { HostileOrder, HostilePorts } from "./hostile-broker.js";

const pem = (name: string): string =>
  readFileSync(new URL(`../support/tls/${name}`, import.meta.url), "utf8");
/** Who signed the brokers' certificate. */
export const ca: string = pem("ca.pem");
export const tls: HostileOrder["tls"] = { cert: pem("server.pem"), key: pem("server.key") };

/** Hostile brokers in a process of their own. */
export interface Hostile {
  /** One for each attack. */
  readonly ports: readonly number[];
  /** Holds them all up, until {@link resume}. */
  stop(): void;
  resume(): void;
}

let building: Promise<string> | undefined;

/** Starts hostile brokers in a process of their own, which ends with the test, say. */
export async function startHostile(
  transport: HostileOrder["transport"],
  attacks: readonly string[],
  atTheEnd: (end: () => Promise<void>) => void = onTestFinished,
): Promise<Hostile> {
  building ??= buildProgram();
  const child = fork(await building, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  // They stand for machines elsewhere, which take no time of this one.
  setPriority(child.pid ?? 0, 19);
  atTheEnd(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
  });
  child.send({ transport, tls, attacks } satisfies HostileOrder);
  const [answer] = await once(child, "message");
  // The file sends nothing else.
  const { ports } = answer as HostilePorts;
  return { ports, stop: () => void child.kill("SIGSTOP"), resume: () => void child.kill("SIGCONT") };
}

/** Makes a plain script, inside the package so that it finds its dependencies. */
async function buildProgram(): Promise<string> {
  const folder = fileURLToPath(
    new URL(`../../node_modules/.cache/sidewire-hostile-${process.pid}/`, import.meta.url),
  );
  await build({
    entryPoints: [fileURLToPath(new URL("./hostile-broker.ts", import.meta.url))],
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    sourcemap: "inline",
  });
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return `${folder}hostile-broker.mjs`;
}
