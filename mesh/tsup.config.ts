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
    entry: { main: "src/cli/main.ts" },
    outDir: "dist/cli",
    platform: "node",
    target: "es2022",
    // A script, because V8 lets its code be kept (src/cli/code-cache.ts), which Node cannot do for ES modules. One file,
    // and minified: so it is loaded faster. What is imported later is in it, too, and is evaluated only then.
    format: ["cjs"],
    noExternal: [/./],
    splitting: false,
    minify: true,
    shims: true,
    removeNodeProtocol: false,
    esbuildPlugins: [licensesOfBundled("dist/cli/licenses.txt")],
  },
  {
    entry: { start: "src/cli/start.ts" },
    outDir: "dist/cli",
    platform: "node",
    target: "es2022",
    format: ["esm"],
    removeNodeProtocol: false,
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
