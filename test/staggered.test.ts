import { describe, expect, it, onTestFinished, vi } from "vitest";
import { AbortError } from "../src/base/errors.js";
import { type Attempt, staggered } from "../src/base/staggered.js";

/** An attempt whose outcome the test decides, and what became of it. */
class Trial {
  begun = false;
  aborted = false;
  #resolve = (_value: string): void => {};
  #reject = (_error: Error): void => {};

  readonly attempt: Attempt<string> = (signal) => {
    this.begun = true;
    signal.addEventListener("abort", () => {
      this.aborted = true;
    });
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  };

  async succeed(value: string): Promise<void> {
    this.#resolve(value);
    await turn();
  }

  async fail(reason: string): Promise<void> {
    this.#reject(new Error(reason));
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function begin(trials: readonly Trial[], signal = new AbortController().signal) {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const discarded: string[] = [];
  const result = staggered(
    trials.map(({ attempt }) => attempt),
    { delayMs: 250, signal, discard: (value) => discarded.push(value) },
  );
  result.catch(() => {});
  return { result, discarded };
}

const begun = (trials: readonly Trial[]): boolean[] => trials.map((trial) => trial.begun);

describe("staggered attempts", () => {
  it("begin one after the other, as long as none succeeds", async () => {
    const trials = [new Trial(), new Trial(), new Trial()];
    const { result } = begin(trials);
    expect(begun(trials)).toEqual([true, false, false]);
    vi.advanceTimersByTime(249);
    expect(begun(trials)).toEqual([true, false, false]);
    vi.advanceTimersByTime(1);
    expect(begun(trials)).toEqual([true, true, false]);
    await trials[0]?.succeed("late, but the first");
    vi.advanceTimersByTime(1000);
    expect(await result).toBe("late, but the first");
    expect(begun(trials)).toEqual([true, true, false]);
    expect(trials.map(({ aborted }) => aborted)).toEqual([true, true, false]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("begin at once when one has failed, and the pause counts from there", async () => {
    const trials = [new Trial(), new Trial(), new Trial()];
    begin(trials);
    vi.advanceTimersByTime(200);
    await trials[0]?.fail("refused");
    expect(begun(trials)).toEqual([true, true, false]);
    vi.advanceTimersByTime(200);
    expect(begun(trials)).toEqual([true, true, false]);
    vi.advanceTimersByTime(50);
    expect(begun(trials)).toEqual([true, true, true]);
  });

  it("have failed when all have, each with its error", async () => {
    const trials = [new Trial(), new Trial()];
    const { result } = begin(trials);
    vi.advanceTimersByTime(250);
    await trials[1]?.fail("two");
    await trials[0]?.fail("one");
    await expect(result).rejects.toMatchObject({ errors: [{ message: "one" }, { message: "two" }] });
    expect(vi.getTimerCount()).toBe(0);
    await expect(begin([]).result).rejects.toMatchObject({ errors: [] });
  });

  it("let go of what comes after the first", async () => {
    const trials = [new Trial(), new Trial()];
    const { result, discarded } = begin(trials);
    vi.advanceTimersByTime(250);
    await trials[1]?.succeed("two");
    await trials[0]?.succeed("one");
    expect(await result).toBe("two");
    expect(discarded).toEqual(["one"]);
  });

  it("end with the signal", async () => {
    const controller = new AbortController();
    const trials = [new Trial(), new Trial()];
    const { result } = begin(trials, controller.signal);
    controller.abort();
    await expect(result).rejects.toBeInstanceOf(AbortError);
    expect(trials.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(vi.getTimerCount()).toBe(0);
    const none = [new Trial()];
    await expect(begin(none, controller.signal).result).rejects.toBeInstanceOf(AbortError);
    expect(begun(none)).toEqual([false]);
  });
});
