import { rmSync } from "node:fs";
import { defineConfig } from "tsup";

type Config = ReturnType<typeof defineConfig>;

// Not by `clean`: what runs side by side would clean away what the others made.
rmSync("dist", { recursive: true, force: true });

const config: Config = defineConfig([
  {
    entry: { index: "src/index.ts" },
    platform: "node",
    target: "es2022",
    format: ["esm"],
    sourcemap: true,
    removeNodeProtocol: false,
    dts: true,
  },
]);

export default config;
