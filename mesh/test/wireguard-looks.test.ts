import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { DeviceState } from "../src/device/state.js";
import type { LooksWanted } from "../src/path/facts.js";
import { paceOf, WireGuardLooks } from "../src/wireguard-looks.js";

const STATE = {} as DeviceState;

/** Looks at a device of which each reading is answered by the test. */
function start(pace: () => number) {
  const readings: { resolve: (state: DeviceState) => void; reject: (error: Error) => void; at: number }[] =
    [];
  const seen = { states: 0, errors: [] as unknown[] };
  const device = {
    read: () =>
      new Promise<DeviceState>((resolve, reject) => {
        readings.push({ resolve, reject, at: performance.now() });
      }),
  };
  const looks = new WireGuardLooks({
    device,
    pace,
    onState: () => seen.states++,
    onError: (error) => seen.errors.push(error),
  });
  return { looks, readings, seen };
}

/** What follows from promises. */
const settled = () => vi.advanceTimersByTimeAsync(0);

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the pace of looks", () => {
  it.each<[readonly LooksWanted[], number]>([
    [[], 5_000],
    [["rare"], 15_000],
    [["rare", "usual"], 5_000],
    [["rare", "soon", "usual"], 100],
  ])("of peers that want %j is %i ms: as soon as anybody wants it", (wanted, ms) => {
    expect(paceOf(wanted)).toBe(ms);
  });
});

describe("looks at WireGuard", () => {
  it("come at their pace, counted from the end of the one before", async () => {
    const { looks, readings, seen } = start(() => 5_000);
    looks.later();
    await vi.advanceTimersByTimeAsync(4_999);
    expect(readings).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(readings).toHaveLength(1);
    // One that takes long holds up the next one.
    await vi.advanceTimersByTimeAsync(7_000);
    readings[0]?.resolve(STATE);
    await settled();
    expect(seen.states).toBe(1);
    await vi.advanceTimersByTimeAsync(4_999);
    expect(readings).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(readings).toHaveLength(2);
    await Promise.all([looks.close(), readings[1]?.resolve(STATE)]);
  });

  it("come sooner within a second once somebody wants them sooner", async () => {
    let pace = 15_000;
    const { looks, readings } = start(() => pace);
    looks.later();
    await vi.advanceTimersByTimeAsync(3_000);
    pace = 100;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(readings).toHaveLength(1);
    await Promise.all([looks.close(), readings[0]?.resolve(STATE)]);
  });

  it("go on after one that failed, which is told", async () => {
    const { looks, readings, seen } = start(() => 5_000);
    looks.later();
    await vi.advanceTimersByTimeAsync(5_000);
    const error = new Error("wg is gone");
    readings[0]?.reject(error);
    await settled();
    expect(seen).toEqual({ states: 0, errors: [error] });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(readings).toHaveLength(2);
    await Promise.all([looks.close(), readings[1]?.resolve(STATE)]);
  });

  it("that somebody asks for are one for all who ask, and none where the last is fresh", async () => {
    const { looks, readings, seen } = start(() => 15_000);
    await vi.advanceTimersByTimeAsync(1_000);
    const both = [looks.now(), looks.now()];
    expect(readings).toHaveLength(1);
    readings[0]?.resolve(STATE);
    await Promise.all(both);
    expect(seen.states).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    await looks.now();
    expect(readings).toHaveLength(1);
    await looks.close();
  });

  it("end: what comes after is taken in no more, and no timer is left", async () => {
    const { looks, readings, seen } = start(() => 5_000);
    looks.later();
    await vi.advanceTimersByTimeAsync(5_000);
    const closing = looks.close();
    readings[0]?.resolve(STATE);
    await closing;
    expect(seen.states).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    await looks.now();
    expect(readings).toHaveLength(1);
  });
});
