import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { SleepWatch } from "../src/sleep-watch.js";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance", "Date"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** The process is stopped: time passes, and no timer runs. */
function stopFor(ms: number): void {
  const now = performance.now() + ms;
  vi.spyOn(performance, "now").mockImplementation(() => now);
}

it("notices by the first packet that the process was stopped, and tells it once", () => {
  const onWoke = vi.fn();
  const watch = new SleepWatch(Date.now, onWoke);
  expect(watch.packetCame()).toBe(false);
  stopFor(14_000);
  expect(watch.packetCame()).toBe(false);
  stopFor(60_000);
  expect(watch.packetCame()).toBe(true);
  expect(watch.packetCame()).toBe(false);
  vi.advanceTimersByTime(10_000);
  expect(onWoke).toHaveBeenCalledTimes(1);
  watch.stop();
});

it("notices by its timer that the machine was suspended, where only the wall clock goes on", () => {
  const onWoke = vi.fn();
  let wall = 0;
  const watch = new SleepWatch(() => wall, onWoke);
  vi.advanceTimersByTime(5000);
  wall += 20_000;
  expect(onWoke).not.toHaveBeenCalled();
  vi.advanceTimersByTime(5000);
  expect(onWoke).toHaveBeenCalledTimes(1);
  watch.stop();
});
