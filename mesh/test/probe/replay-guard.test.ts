import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReplayGuard } from "../../src/probe/replay-guard.js";

describe("the replay guard", () => {
  it("lets in what a set that never forgets would, within the window, and nothing twice", () => {
    const probes = fc.array(
      fc.record({ boot: fc.bigInt(0n, 4n), counter: fc.oneof(fc.nat(700), fc.nat(0xffff_ffff)) }),
      { maxLength: 400 },
    );
    fc.assert(
      fc.property(probes, fc.bigInt(0n, 2n), (sent, first) => {
        const guard = new ReplayGuard(first);
        const seen = new Set<number>();
        let newestBoot = first;
        let newest = -1;
        for (const { boot, counter } of sent) {
          if (boot > newestBoot) {
            seen.clear();
            newest = -1;
          }
          const isNew =
            boot > newestBoot || (boot === newestBoot && counter > newest - 256 && !seen.has(counter));
          expect(guard.isNew(boot, counter)).toBe(isNew);
          if (!isNew) continue;
          guard.accept(boot, counter);
          newestBoot = boot;
          newest = Math.max(newest, counter);
          seen.add(counter);
          expect(guard.isNew(boot, counter)).toBe(false);
        }
      }),
    );
  });

  it("changes nothing by being asked", () => {
    const guard = new ReplayGuard(5n);
    guard.accept(5n, 10);
    expect(guard.isNew(6n, 1)).toBe(true);
    expect(guard.isNew(5n, 11)).toBe(true);
    expect(guard.isNew(5n, 9)).toBe(true);
    expect(guard.isNew(4n, 99)).toBe(false);
  });
});
