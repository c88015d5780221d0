import { join } from "node:path";
import { build } from "esbuild";

const ROOT: string = join(import.meta.dirname, "../../..");

/**
 * Makes the command from its source as it is now, in a fraction of a second: a demo waits for no build.
 * @returns what Node runs
 */
export async function makeCommand(folder: string): Promise<string> {
  const outdir = join(folder, "command");
  await build({
    absWorkingDir: ROOT,
    entryPoints: { "sidewire-mesh": "mesh/src/cli/main.ts" },
    // The library's own source is found by it.
    tsconfig: "tsconfig.json",
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    platform: "node",
    target: "node20",
    format: "esm",
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    logLevel: "silent",
  });
  return join(outdir, "sidewire-mesh.mjs");
}
