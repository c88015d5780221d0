import { availableParallelism } from "node:os";
import { defineConfig, type ViteUserConfig } from "vitest/config";

/** What measures how long something takes, or how long it keeps others waiting. */
const MEASURING: readonly string[] = [
  "test/hostile/attacks.test.ts",
  "test/strangers/flood.test.ts",
  "test/faults/**/*.test.ts",
  "test/browser/hostile.test.ts",
  "test/browser/webrtc-at-once.test.ts",
  "test/demo.test.ts",
  "test/system/original.test.ts",
];

const config: ViteUserConfig = defineConfig({
  test: {
    // Under CI, what fails is tried once more, and that it was is in the output: look at it, it may be a real fault.
    retry: process.env.CI === "true" ? 1 : 0,
    // Most take less than a second. On a machine that is busy with something else, one may take long.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", "./test/support/reporter.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "together",
          // The lab's have a run of their own: mesh/vitest.lab.config.ts. No `exclude`, which the command line's would not reach.
          include: [
            "test/**/*.test.ts",
            "mesh/test/**/*.test.ts",
            "!mesh/test/lab/**",
            ...MEASURING.map((pattern) => `!${pattern}`),
          ],
          // Most tests wait for brokers, not for the processor.
          maxWorkers: Math.max(3, availableParallelism() - 1),
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: [...MEASURING],
          // One file at a time, when all others are over: other tests take time of the same processors.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
