import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Lifecycle } from "../src/base/lifecycle.js";
import { Turns, type TurnsOptions } from "../src/sending/turns.js";

const lifecycle = new Lifecycle();

function makeTurns(options: Partial<TurnsOptions> = {}): Turns {
  return new Turns({
    room: () => ({ maxInFlight: 2, until: Number.POSITIVE_INFINITY }),
    maxBytes: () => 10_000,
    readyAt: () => undefined,
    lifecycle,
    ...options,
  });
}

/** Takes so many turns; tells which were given so far. */
function takeAll(turns: Turns, count: number): number[] {
  const given: number[] = [];
  for (let i = 0; i < count; i++) {
    turns.take(100, undefined).then(
      () => {
        given.push(i);
        turns.published();
      },
      () => {},
    );
  }
  return given;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("turns", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("are given in order, so many at a time, without a timer", async () => {
    const turns = makeTurns();
    const given = takeAll(turns, 4);
    await turn();
    expect(given).toEqual([0, 1]);
    expect(vi.getTimerCount()).toBe(0);
    turns.end(100);
    await turn();
    expect(given).toEqual([0, 1, 2]);
  });

  it("are more at a time as soon as there is room for more, and leave no timer behind", async () => {
    const turns = makeTurns({
      room: (now) => ({
        maxInFlight: now < 2000 ? 1 : 10,
        until: now < 2000 ? 2000 : Number.POSITIVE_INFINITY,
      }),
    });
    const given = takeAll(turns, 4);
    await vi.advanceTimersByTimeAsync(1999);
    await turn();
    expect(given).toEqual([0]);
    await vi.advanceTimersByTimeAsync(1);
    await turn();
    expect(given).toEqual([0, 1, 2, 3]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("leave no timer behind when room comes before it was expected", async () => {
    let maxInFlight = 1;
    const turns = makeTurns({ room: () => ({ maxInFlight, until: 2000 }) });
    const given = takeAll(turns, 3);
    await turn();
    expect([given, vi.getTimerCount()]).toEqual([[0], 1]);
    maxInFlight = 10;
    turns.end(100);
    await turn();
    expect([given, vi.getTimerCount()]).toEqual([[0, 1, 2], 0]);
  });

  it("are given to as many bytes as the line carries, but for one that is longer and for short ones", async () => {
    const turns = makeTurns({ room: () => ({ maxInFlight: 10, until: Number.POSITIVE_INFINITY }) });
    const given: number[] = [];
    for (const bytes of [20_000, 100, 5000, 5000, 5000])
      void turns.take(bytes, undefined).then(() => given.push(bytes));
    await turn();
    expect(given).toEqual([20_000, 100]);
    turns.end(20_000);
    await turn();
    expect(given).toEqual([20_000, 100, 5000, 5000]);
    expect(turns.bytesInFlight).toBe(10_000);
  });

  it("wait for the rates, one after the other", async () => {
    let nextAt = 0;
    const turns = makeTurns({
      room: () => ({ maxInFlight: 10, until: Number.POSITIVE_INFINITY }),
      readyAt: (now) => Math.max(now, nextAt),
    });
    const given: number[] = [];
    for (const i of [0, 1, 2]) {
      void turns.take(100, undefined).then(() => {
        given.push(performance.now());
        nextAt = performance.now() + 100;
        turns.published();
        return i;
      });
    }
    await turn();
    for (const _ of [0, 1, 2]) {
      await vi.advanceTimersByTimeAsync(100);
      await turn();
    }
    expect(given).toEqual([0, 100, 200]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
