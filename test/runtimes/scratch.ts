import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "../..");

/** Out of the way of whoever looks through the tests. */
const FETCHED = join(ROOT, "node_modules/.cache/runtimes");
const MODULES = join(FETCHED, "node_modules");

/** The programs that the package is run in. */
export interface Runtimes {
  readonly node20: string;
  readonly node22: string;
  readonly node24: string;
  readonly bun: string;
  readonly deno: string;
  /** A script for Node. */
  readonly jest: string;
}

/** Installs the runtimes, in the versions of the lock file, unless they are there, and says where they are. */
export function installRuntimes(): Runtimes {
  const lock = readFileSync(join(HERE, "package-lock.json"));
  const installed = join(MODULES, ".installed");
  if (!existsSync(installed) || !lock.equals(readFileSync(installed))) {
    mkdirSync(FETCHED, { recursive: true });
    for (const file of ["package.json", "package-lock.json"]) cpSync(join(HERE, file), join(FETCHED, file));
    // Their scripts would put the programs elsewhere, no more.
    npm(FETCHED, "ci", "--ignore-scripts");
    writeFileSync(installed, lock);
  }
  return {
    node20: find("", /^node20-/, "bin/node"),
    node22: find("", /^node22-/, "bin/node"),
    node24: find("", /^node24-/, "bin/node"),
    bun: find("@oven", /^bun-/, "bin/bun"),
    deno: find("@deno", /-/, "deno"),
    jest: join(MODULES, "jest/bin/jest.js"),
  };
}

/** What was installed of the packages of a program, one for each kind of machine. */
function find(folder: string, name: RegExp, path: string): string {
  const [found] = readdirSync(join(MODULES, folder)).filter((entry) => name.test(entry));
  if (found === undefined) throw new Error(`no package like ${folder} ${name} for this machine`);
  return join(MODULES, folder, found, path);
}

/**
 * A new folder with two folders in it: `app`, with the programs and the packed package installed, and `bundled`,
 * with the same in one file each and nothing else.
 */
export async function makeScratch(): Promise<string> {
  const scratch = mkdtempSync(join(tmpdir(), "sidewire-runtimes-"));
  chmodSync(scratch, 0o755); // a user without a name reads it as well
  const app = join(scratch, "app");
  cpSync(join(HERE, "programs"), app, { recursive: true });
  cpSync(join(HERE, "../support/tls/ca.pem"), join(app, "ca.pem"));
  writeFileSync(join(app, "package.json"), '{ "private": true }');
  const tarball = npm(ROOT, "pack", "--ignore-scripts", "--pack-destination", scratch)
    .trim()
    .split("\n")
    .at(-1);
  npm(app, "install", join(scratch, tarball ?? ""));
  for (const [format, extension] of [
    ["esm", "mjs"],
    ["cjs", "cjs"],
  ] as const) {
    await build({
      entryPoints: [join(app, "talks.mjs")],
      outfile: join(scratch, `bundled/talks.${extension}`),
      bundle: true,
      platform: "node",
      format,
      logLevel: "error",
    });
  }
  return scratch;
}

function npm(folder: string, ...args: string[]): string {
  return execFileSync("npm", [...args, "--no-audit", "--no-fund", "--silent"], {
    cwd: folder,
    encoding: "utf8",
  });
}
