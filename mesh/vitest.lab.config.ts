import { defineConfig, type ViteUserConfig } from "vitest/config";

/** The tests in networks of their own: one file at a time, since what they measure is times. */
const config: ViteUserConfig = defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["mesh/test/lab/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["./test/support/reporter.ts", { limit: "MAX_LEFT_OUT_OF_LAB" }]],
  },
});

export default config;
