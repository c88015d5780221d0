import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Presence } from "../../src/cli/presence.js";
import type { ProbeResult } from "../../src/index.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("asks after ten seconds of silence, and tells of a change alone", async () => {
  let isThere = true;
  const askedAt: number[] = [];
  const told: [number, boolean][] = [];
  const startedAt = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedAt) / 100) / 10;
  const probe = async (): Promise<ProbeResult> => {
    askedAt.push(seconds());
    await new Promise((resolve) => setTimeout(resolve, isThere ? 100 : 4000));
    return { reachable: isThere, brokers: [] };
  };
  const presence = new Presence({ probe }, {}, ({ present }) => told.push([seconds(), present]));
  presence.start();
  await vi.advanceTimersByTimeAsync(5000);
  presence.heard();
  isThere = false;
  await vi.advanceTimersByTimeAsync(30_000);
  isThere = true;
  await vi.advanceTimersByTimeAsync(10_000);
  presence.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  // Ten seconds after the last answer or message, whichever was later.
  expect(askedAt).toEqual([0, 15, 29, 43]);
  expect(told).toEqual([
    [0.1, true],
    [19, false],
    [43.1, true],
  ]);
});
