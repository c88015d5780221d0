import { defineConfig } from "tsup";

type Config = ReturnType<typeof defineConfig>;

/** The library for Node in both module systems, and the types. What `bundles.ts` makes builds on these. */
const config: Config = defineConfig({
  entry: { index: "src/index.ts", node: "src/node.ts" },
  platform: "node",
  target: "es2022",
  format: ["esm", "cjs"],
  // For `AsyncDisposable`, which a program without Node's types knows of by this alone.
  dts: { banner: '/// <reference lib="esnext.disposable" />' },
  clean: true,
  sourcemap: true,
  treeshake: true,
  // One copy of the classes, whichever entry a program imports first.
  splitting: true,
});

export default config;
