import type { Reporter, TestModule, Vitest } from "vitest/node";

/** Says in one line what was left out and why, and counts in one line; under CI, leaving out counts as failing. */
export default class Summary implements Reporter {
  /** Whether some tests were asked for by name: the others are not left out for want of anything. */
  #isSelection = false;

  onInit({ config }: Vitest): void {
    this.#isSelection = config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const leftOut = new Set<string>();
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state]++;
        if (state === "skipped") leftOut.add(module.relativeModuleId);
      }
    }
    const skipped = counts.skipped + counts.pending;
    if (skipped > 0 && !this.#isSelection) {
      console.log(
        `left out: ${skipped} tests of ${[...leftOut].join(", ")}: mosquitto, RabbitMQ, NATS, Chromium or the Python peer's packages are not installed`,
      );
      if (process.env.CI === "true") process.exitCode = 1;
    }
    console.log(
      `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
    );
  }
}
