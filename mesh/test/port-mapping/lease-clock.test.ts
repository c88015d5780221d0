import { describe, expect, it } from "vitest";
import { LeaseClock } from "../../src/port-mapping/lease-clock.js";

describe("a lease", () => {
  it.each([
    [60, 27_000, 30_000],
    [7200, 3_240_000, 3_600_000],
    // Whoever grants a year is asked again as if it were two hours.
    [31_536_000, 3_240_000, 3_600_000],
    [undefined, 3_240_000, 3_600_000],
    // However short it is, not more often than every 5 s.
    [1, 5000, 5000],
  ])("of %s s is renewed before its half is over", (lifetimeS, least, most) => {
    for (const random of [0, 0.5, 0.999]) {
      const clock = new LeaseClock();
      clock.granted(lifetimeS, 1000, random);
      expect(clock.dueAt - 1000).toBeGreaterThanOrEqual(least);
      expect(clock.dueAt - 1000).toBeLessThanOrEqual(most);
    }
  });

  it("that is not renewed is tried again, ever closer to its end, and then is none", () => {
    const clock = new LeaseClock();
    clock.granted(120, 0, 0);
    const tries: number[] = [];
    while (clock.isValid(clock.dueAt)) {
      tries.push(clock.dueAt);
      clock.failed(clock.dueAt);
    }
    expect(tries).toEqual([60_000, 90_000, 105_000, 112_500, 117_500]);
    expect(clock.isValid(119_999)).toBe(true);
    expect(clock.isValid(120_000)).toBe(false);
  });

  it("that is none is asked for after 5 s, ever more seldom, and at once after a change of the network", () => {
    const clock = new LeaseClock();
    expect(clock.dueAt).toBe(Number.NEGATIVE_INFINITY);
    const waits = Array.from({ length: 9 }, () => {
      clock.failed(0);
      return clock.dueAt / 1000;
    });
    expect(waits).toEqual([5, 10, 20, 40, 80, 160, 320, 600, 600]);
    clock.again();
    expect(clock.dueAt).toBe(Number.NEGATIVE_INFINITY);
    clock.failed(0);
    expect(clock.dueAt).toBe(5000);
  });

  it("that the gateway seems to have forgotten is asked for at once, and at most every 5 s for that", () => {
    const clock = new LeaseClock();
    clock.granted(7200, 0, 0);
    clock.forgotten(60_000);
    expect(clock.dueAt).toBe(60_000);
    clock.granted(7200, 60_000, 0);
    clock.forgotten(60_100);
    clock.forgotten(60_200);
    expect(clock.dueAt).toBe(65_000);
    clock.failed(65_000);
    clock.forgotten(65_100);
    expect(clock.dueAt).toBe(70_000);
  });
});
