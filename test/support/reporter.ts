import type { Reporter, TestModule, Vitest } from "vitest/node";

/**
 * Says in one line what was left out and for want of what, and counts in one line. More than may be left out counts
 * as failing: under CI that is any test at all, unless the environment says how many.
 */
export default class Summary implements Reporter {
  readonly #limit: string;

  /** @param options - `limit`: the variable that says how many may be left out. Default: `MAX_LEFT_OUT` */
  constructor({ limit = "MAX_LEFT_OUT" }: { limit?: string } = {}) {
    this.#limit = limit;
  }

  /** Whether some tests were asked for by name: the others are not left out for want of anything. */
  #isSelection = false;

  onInit({ config }: Vitest): void {
    this.#isSelection = config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 };
    const leftOut = new Map<string, number>();
    for (const test of modules.flatMap((module) => [...module.children.allTests()])) {
      const { state } = test.result();
      counts[state]++;
      if (state !== "skipped") continue;
      const { needs = `something else (${test.module.relativeModuleId})` } = test.meta();
      leftOut.set(needs, (leftOut.get(needs) ?? 0) + 1);
    }
    const skipped = counts.skipped + counts.pending;
    if (skipped > 0 && !this.#isSelection) {
      const wants = [...leftOut].map(([needs, count]) => `${count} that need ${needs}`);
      const most = Number(
        process.env[this.#limit] ?? (process.env.CI === "true" ? 0 : Number.POSITIVE_INFINITY),
      );
      console.log(`left out: ${skipped} tests, ${wants.join(", ")}`);
      if (skipped > most) {
        console.log(`no more than ${most} may be left out`);
        process.exitCode = 1;
      }
    }
    console.log(
      `${counts.passed} passed, ${counts.failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`,
    );
  }
}
