import { cpSync, rmSync } from "node:fs";
import { defineConfig } from "tsup";
import { licensesOfBundled } from "../build/licenses.js";

type Config = ReturnType<typeof defineConfig>;

// Not by `clean`: what runs side by side would clean away what the others made.
rmSync("dist", { recursive: true, force: true });

// The page of `sidewire-mesh web`: what is beside the command's own files, as it is beside their source.
for (const file of ["index.html", "style.css", "parts.css", "icon.svg"])
  cpSync(`src/web/page/${file}`, `dist/cli/page/${file}`);

const config: Config = defineConfig([
  {
    entry: { index: "src/index.ts", multiaddr: "src/multiaddr/register.ts" },
    platform: "node",
    target: "es2022",
    format: ["esm"],
    sourcemap: true,
    removeNodeProtocol: false,
    dts: true,
  },
  {
    entry: { cli: "src/cli/main.ts" },
    platform: "node",
    target: "es2022",
    format: ["esm"],
    // In few files, and minified, it is loaded in half of the time.
    noExternal: ["zod", "sidewire", "dns-packet", "@leichtgewicht/ip-codec", /^@(noble|scure)\//],
    splitting: true,
    minify: true,
    removeNodeProtocol: false,
    banner: {
      // For the CommonJS packages among those that are bundled.
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    esbuildPlugins: [licensesOfBundled("dist/cli/licenses.txt")],
    esbuildOptions(options) {
      options.chunkNames = "cli/[name]-[hash]";
    },
  },
  {
    entry: { page: "src/web/page/main.ts" },
    outDir: "dist/cli/page",
    platform: "browser",
    target: "es2022",
    format: ["esm"],
    minify: true,
    outExtension: () => ({ js: ".js" }),
  },
]);

export default config;
