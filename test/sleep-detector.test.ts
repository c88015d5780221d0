import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SleepDetector } from "../src/brokers/sleep-detector.js";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A pulse on a wall clock that the test sets. */
function pulseOf(wallNow: () => number): { pulse: SleepDetector; wakes: () => number } {
  let count = 0;
  const pulse = new SleepDetector(wallNow, () => count++);
  pulse.start();
  return { pulse, wakes: () => count };
}

describe("a pulse", () => {
  it("feels nothing while both clocks go on", () => {
    const { wakes } = pulseOf(Date.now);
    vi.advanceTimersByTime(3_600_000);
    expect(wakes()).toBe(0);
  });

  it.each([3_600_000, -3_600_000, 11_000])(
    "feels a wall clock that moved by %i ms, within 2 s and once",
    (jump) => {
      let offset = 0;
      const { wakes } = pulseOf(() => Date.now() + offset);
      vi.advanceTimersByTime(10_000);
      offset = jump;
      vi.advanceTimersByTime(2000);
      expect(wakes()).toBe(1);
      vi.advanceTimersByTime(60_000);
      expect(wakes()).toBe(1);
    },
  );

  it("is not disturbed by small corrections, nor by a clock that fails", () => {
    let offset = 0;
    let fails = false;
    const { wakes } = pulseOf(() => {
      if (fails) throw new Error("no time");
      return Date.now() + offset;
    });
    for (let i = 0; i < 10; i++) {
      offset += 5000;
      vi.advanceTimersByTime(2000);
    }
    fails = true;
    vi.advanceTimersByTime(60_000);
    fails = false;
    vi.advanceTimersByTime(60_000);
    expect(wakes()).toBe(0);
  });

  it("leaves no timer when it is stopped", () => {
    const { pulse } = pulseOf(Date.now);
    pulse.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
