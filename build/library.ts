import { rmSync } from "node:fs";
import { defineConfig, type Options } from "tsup";
import { licensesOfBundled } from "./licenses.js";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

type Config = ReturnType<typeof defineConfig>;

const entry = { index: "src/index.ts", node: "src/node.ts", libsecp256k1: "src/libsecp256k1.ts" };

const common: Options = {
  entry,
  platform: "node",
  target: "es2022",
  treeshake: true,
  sourcemap: true,
  // One copy of the classes, whichever entry a program imports first.
  splitting: true,
  removeNodeProtocol: false,
};

/**
 * `sidewire/webrtc` is the same for Node and for pages. It takes the package itself, as it is for either, and so has the
 * same errors.
 */
const packageItself: Plugin = {
  name: "package-itself",
  setup(build) {
    build.onResolve({ filter: /(?:^\.\.\/index|\/errors)\.js$/ }, () => ({
      path: "sidewire",
      external: true,
    }));
  },
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
    entry: { webrtc: "src/webrtc/index.ts" },
    platform: "neutral",
    format: ["esm", "cjs"],
    external: ["sidewire"],
    splitting: false,
    esbuildPlugins: [packageItself],
  },
  {
    ...common,
    entry: { ...entry, webrtc: "src/webrtc/index.ts" },
    format: ["esm", "cjs"],
    // For `AsyncDisposable`, which a program without Node's types knows of by this alone.
    dts: { only: true, banner: '/// <reference lib="esnext.disposable" />' },
  },
]);

export default config;
