import { rmSync } from "node:fs";
import { defineConfig, type Options } from "tsup";
import { licensesOfBundled } from "./licenses.js";

type Config = ReturnType<typeof defineConfig>;

const common: Options = {
  entry: { index: "src/index.ts", node: "src/node.ts", libsecp256k1: "src/libsecp256k1.ts" },
  platform: "node",
  target: "es2022",
  treeshake: true,
  sourcemap: true,
  // One copy of the classes, whichever entry a program imports first.
  splitting: true,
  removeNodeProtocol: false,
};

// Not by `clean`: what runs side by side would clean away what the others made.
rmSync("dist", { recursive: true, force: true });

/** The library for Node in both module systems, and the types. What `bundles.ts` makes builds on these. */
const config: Config = defineConfig([
  { ...common, format: ["esm"] },
  {
    ...common,
    format: ["cjs"],
    // These are ES modules, which `require` takes in recent Nodes alone, and not in Jest.
    noExternal: [/^@(noble|scure|bitauth)\//],
    esbuildPlugins: [licensesOfBundled("dist/cjs.licenses.txt")],
  },
  {
    ...common,
    format: ["esm", "cjs"],
    // For `AsyncDisposable`, which a program without Node's types knows of by this alone.
    dts: { only: true, banner: '/// <reference lib="esnext.disposable" />' },
  },
]);

export default config;
