import { readFile } from "node:fs/promises";
import { defineConfig, type Options } from "tsup";
import { internalNames } from "./internal-names.js";
import { licensesOfBundled } from "./licenses.js";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

/** Of the bundled pool, a page can use what speaks WebSocket. */
const reachablePool: Plugin = {
  name: "reachable-pool",
  setup(build) {
    build.onLoad({ filter: /brokers\.json$/ }, async ({ path }) => {
      const pool: Record<string, unknown> = JSON.parse(await readFile(path, "utf8"));
      const speaksWebSocket = ([, entry]: [string, object]): boolean => "ws" in entry || "wss" in entry;
      const reachable = Object.entries(pool).map(([name, value]) =>
        typeof value === "object" && value !== null
          ? [name, Object.fromEntries(Object.entries(value).filter(speaksWebSocket))]
          : [name, value],
      );
      return { contents: JSON.stringify(Object.fromEntries(reachable)), loader: "json" };
    });
  },
};

const common: Options = {
  platform: "browser",
  target: "es2022",
  format: ["esm"],
  treeshake: true,
  esbuildPlugins: [reachablePool],
};

type Config = ReturnType<typeof defineConfig>;

/** For browsers, where `#platform` is resolved by their condition, and the command. Made after the published types. */
const config: Config = defineConfig([
  {
    ...common,
    entry: { browser: "src/index.ts" },
    sourcemap: true,
    // By both, one after the other: 0.6 kB less than by esbuild alone.
    minify: "terser",
    terserOptions: { module: true, ecma: 2020, compress: { passes: 3 } },
    esbuildOptions(options) {
      // A field without a value needs no definition.
      delete options.tsconfig;
      options.tsconfigRaw = { compilerOptions: { useDefineForClassFields: false } };
      options.minify = true;
      options.mangleProps = new RegExp(`^(?:${internalNames().join("|")})$`);
    },
  },
  {
    ...common,
    // The same for `require`, as in Jest's jsdom: with the packages in it that are ES modules alone.
    entry: { browser: "src/index.ts" },
    format: ["cjs"],
    sourcemap: true,
    noExternal: [/^@(noble|scure)\//],
    inject: ["build/text-codecs.ts"],
    // Their licences are in the library's file, which has more of them.
    esbuildPlugins: [reachablePool],
  },
  {
    ...common,
    // With everything in it, for a page that is not bundled.
    entry: { "sidewire.min": "src/index.ts" },
    noExternal: [/./],
    minify: true,
    banner: { js: "/*! The licences of what is in here: sidewire.min.licenses.txt */" },
    esbuildPlugins: [reachablePool, licensesOfBundled("dist/sidewire.min.licenses.txt")],
  },
  {
    entry: { cli: "src/cli/main.ts" },
    platform: "node",
    target: "es2022",
    format: ["esm"],
    // The command uses the package like anybody else; what else it needs is bundled, a chunk for each command.
    external: ["sidewire", "sidewire/node"],
    splitting: true,
    minify: true,
    banner: {
      // For the CommonJS packages among them.
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    esbuildPlugins: [licensesOfBundled("dist/cli/licenses.txt")],
    esbuildOptions(options) {
      options.chunkNames = "cli/[name]-[hash]";
    },
  },
]);

export default config;
