import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";

const config: ViteUserConfig = defineConfig({
  test: {
    include: ["test/**/*.test.ts", "mesh/test/**/*.test.ts"],
    // They have a run of their own: mesh/vitest.lab.config.ts.
    exclude: ["mesh/test/lab/**"],
    // Most tests wait for brokers, not for the processor.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    // Most take less than a second. On a machine that is busy with something else, one may take long.
    // Under CI, what fails is tried once more, and that it was is in the output: look at it, it may be a real fault.
    retry: process.env.CI === "true" ? 1 : 0,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", "./test/support/reporter.ts"],
  },
});

export default config;
