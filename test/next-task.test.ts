import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

/** What a page has; what stands in for one in tests, as jsdom; Node. */
const PLACES: Record<string, readonly string[]> = {
  Node: [],
  "a page": ["setImmediate"],
  "what stands in for a page": ["setImmediate", "MessageChannel"],
};

describe.each(Object.entries(PLACES))("in %s", (place, missing) => {
  const load = async <T>(path: string): Promise<T> => {
    vi.resetModules();
    for (const name of missing) vi.stubGlobal(name, undefined);
    if (place !== "Node") vi.stubGlobal("document", {});
    return await import(path);
  };

  it("the next task comes after what promises do, once", async () => {
    const { nextTask } = await load<typeof import("../src/base/next-task.js")>("../src/base/next-task.js");
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      nextTask(() => {
        order.push("task");
        resolve();
      });
    });
    order.push("now");
    await Promise.resolve().then(() => order.push("promise"));
    await done;
    expect(order).toEqual(["now", "promise", "task"]);
  });

  it("what takes long has a turn of its own: others have theirs before it and behind it", async () => {
    const { inOwnTurn, nextTask } =
      await load<typeof import("../src/base/next-task.js")>("../src/base/next-task.js");
    const order: string[] = [];
    nextTask(() => order.push("before"));
    const done = inOwnTurn(async () => {
      order.push("work");
      nextTask(() => order.push("behind"));
      return 7;
    });
    order.push("now");
    expect(await done).toBe(7);
    order.push("done");
    expect(order).toEqual(["now", "before", "work", "behind", "done"]);
  });

  it("a timer that was held up fires all the same", async () => {
    const { startTimer } = await load<typeof import("../src/base/timer.js")>("../src/base/timer.js");
    const fired = new Promise<void>((resolve) => startTimer(1, resolve));
    const until = performance.now() + 150;
    while (performance.now() < until);
    await fired;
  });
});
