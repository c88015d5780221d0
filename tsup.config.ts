import { defineConfig, type Options } from "tsup";

const common: Options = {
  target: "es2022",
  sourcemap: true,
  splitting: false,
  treeshake: true,
};

type Config = ReturnType<typeof defineConfig>;

/** One bundle for Node in both module systems, one for browsers; `#platform` is resolved by each one's conditions. */
const config: Config = defineConfig([
  {
    ...common,
    entry: { index: "src/index.ts", node: "src/node.ts" },
    platform: "node",
    format: ["esm", "cjs"],
    dts: true,
    clean: true,
    // One copy of the classes, whichever entry a program imports first.
    splitting: true,
  },
  {
    ...common,
    entry: { browser: "src/index.ts" },
    platform: "browser",
    format: ["esm"],
    noExternal: [],
  },
]);

export default config;
