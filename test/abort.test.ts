import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { abortable, onAbort } from "../src/base/abort.js";

/** A signal, and how many listeners it has now. */
function watched(): { controller: AbortController; signal: AbortSignal; listeners: () => number } {
  const controller = new AbortController();
  const { signal } = controller;
  const added = vi.spyOn(signal, "addEventListener");
  const removed = vi.spyOn(signal, "removeEventListener");
  return { controller, signal, listeners: () => added.mock.calls.length - removed.mock.calls.length };
}

describe("a signal that much is done under", () => {
  it("has one listener, and none when nothing waits any more", () => {
    const { signal, listeners } = watched();
    for (let round = 0; round < 3; round++) {
      const stops = Array.from({ length: 1000 }, () => onAbort(signal, () => {}));
      expect(listeners()).toBe(1);
      for (const stop of stops.slice(1)) stop();
      expect(listeners()).toBe(1);
      stops[0]?.();
      stops[0]?.();
      expect(listeners()).toBe(0);
    }
  });

  it("is no leak in Node's eyes", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): number => warnings.push(warning);
    process.on("warning", note);
    const controller = new AbortController();
    const waits = Array.from({ length: 100 }, () =>
      abortable(new Promise(() => {}), controller.signal).catch((error: unknown) => error),
    );
    // Warnings come a turn later.
    await pause(1);
    controller.abort("enough");
    for (const error of await Promise.all(waits)) {
      expect(error).toMatchObject({ code: "ABORTED", cause: "enough" });
    }
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  it("tells everybody once, in their order, but those who left meanwhile", () => {
    const { controller, signal, listeners } = watched();
    const told: string[] = [];
    onAbort(signal, () => {
      told.push("first");
      leaveSecond();
    });
    const leaveSecond = onAbort(signal, () => told.push("second"));
    const leaveThird = onAbort(signal, () => told.push("third"));
    controller.abort();
    leaveThird();
    expect(told).toEqual(["first", "third"]);
    expect(listeners()).toBe(0);
  });

  it("is told apart from others", () => {
    const [one, two] = [watched(), watched()];
    const told: string[] = [];
    onAbort(one.signal, () => told.push("one"));
    onAbort(two.signal, () => told.push("two"));
    one.controller.abort();
    expect(told).toEqual(["one"]);
    expect([one.listeners(), two.listeners()]).toEqual([0, 1]);
  });
});
