import { defineConfig, type ViteUserConfig } from "vitest/config";

/** The tests in networks of their own. Most of their time is waiting, and what they measure are times: so two files at once. */
const config: ViteUserConfig = defineConfig({
  root: new URL("..", import.meta.url).pathname,
  test: {
    include: ["mesh/test/lab/**/*.test.ts"],
    maxWorkers: 2,
    // Of those that may run beside others: most of their time is waiting.
    maxConcurrency: 5,
    // Under CI, what fails is tried twice more, and that it was is in the output: look at it, it may be a real fault.
    retry: process.env.CI === "true" ? 2 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", ["./test/support/reporter.ts", { limit: "MAX_LEFT_OUT_OF_LAB" }]],
  },
});

export default config;
