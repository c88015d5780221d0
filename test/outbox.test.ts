import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRouterOptions } from "../src/options.js";
import { Outbox, type OutboxAction, REPEAT_AFTER_MS } from "../src/sending/outbox.js";

const TIMES = { widenAfterMs: 400, timeoutMs: 4000 };

/** Everything an outbox asks for when it is called exactly when it wants to be. */
function scheduleOf(outbox: Outbox<string>): [number, string, OutboxAction][] {
  const log: [number, string, OutboxAction][] = [];
  for (let at = outbox.nextAt(); Number.isFinite(at); at = outbox.nextAt()) {
    const due = outbox.due(at);
    if (due.length === 0 || log.length > 1000) throw new Error(`it comes to no end at ${at}`);
    for (const { item, action } of due) log.push([at, item, action]);
  }
  return log;
}

describe("the schedule of a message", () => {
  it("is to widen at each widenAfterMs, to repeat after 0.9 s and 2 s, and to expire", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("k", "m", TIMES, 10_000)).toBe(10_400);
    const log = scheduleOf(outbox);
    const timesOf = (wanted: OutboxAction): number[] =>
      log.filter(([, , action]) => action === wanted).map(([at]) => at - 10_000);
    expect(timesOf("widen")).toEqual([400, 800, 1200, 1600, 2000, 2400, 2800, 3200, 3600]);
    expect(timesOf("repeat")).toEqual([900, 2000]);
    expect(timesOf("expire")).toEqual([4000]);
    expect(log.at(-1)).toEqual([14_000, "m", "expire"]);
    expect(outbox.size).toBe(0);
  });

  it("is over with the timeout, however short", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("k", "m", { widenAfterMs: 400, timeoutMs: 50 }, 0)).toBe(50);
    expect(scheduleOf(outbox)).toEqual([[50, "m", "expire"]]);
  });

  it("repeats before the first widening where that is far away", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("k", "m", { widenAfterMs: 60_000, timeoutMs: 3000 }, 0)).toBe(900);
    expect(scheduleOf(outbox).map(([at, , action]) => [at, action])).toEqual([
      [900, "repeat"],
      [2000, "repeat"],
      [3000, "expire"],
    ]);
  });

  it("is not made up for when it was slept through", () => {
    const outbox = new Outbox<string>();
    outbox.add("k", "m", { widenAfterMs: 400, timeoutMs: 10_000 }, 0);
    const actions = outbox.due(5000).map(({ action }) => action);
    expect(actions.toSorted()).toEqual(["repeat", "widen"]);
    expect(outbox.due(5000)).toEqual([]);
    expect(outbox.nextAt()).toBe(5400);
  });

  it("is only to expire when the timeout was slept through too", () => {
    const outbox = new Outbox<string>();
    outbox.add("k", "m", TIMES, 0);
    expect(outbox.due(60_000)).toEqual([{ item: "m", action: "expire" }]);
    expect(outbox.due(60_000)).toEqual([]);
  });

  it("ends when the message is taken", () => {
    const outbox = new Outbox<string>();
    outbox.add("k", "m", TIMES, 0);
    outbox.due(500);
    expect(outbox.take("k")).toBe("m");
    expect(outbox.due(60_000)).toEqual([]);
    expect(outbox.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it("has nothing to do at no message", () => {
    expect(new Outbox<string>().nextAt()).toBe(Number.POSITIVE_INFINITY);
    expect(new Outbox<string>().due(1e9)).toEqual([]);
  });
});

describe("an outbox", () => {
  it("finds a message by its key, until it is taken", () => {
    const outbox = new Outbox<string>();
    outbox.add("k1", "m1", TIMES, 0);
    outbox.add("k2", "m2", TIMES, 0);
    expect([outbox.has("k1"), outbox.get("k1"), outbox.has("k3"), outbox.get("k3")]).toEqual([
      true,
      "m1",
      false,
      undefined,
    ]);
    expect(outbox.take("k1")).toBe("m1");
    expect(outbox.take("k1")).toBeUndefined();
    expect(outbox.take("k3")).toBeUndefined();
    expect([outbox.has("k1"), outbox.size, outbox.items()]).toEqual([false, 1, ["m2"]]);
  });

  it("remembers the last thousand that were in, for their late ACKs", () => {
    const outbox = new Outbox<string>();
    outbox.add("taken", "m", TIMES, 0);
    outbox.add("expired", "m", TIMES, 0);
    outbox.add("waiting", "m", { widenAfterMs: 400, timeoutMs: 1e6 }, 0);
    outbox.take("taken");
    outbox.take("never in");
    outbox.due(4000);
    const areDone = (): boolean[] =>
      ["taken", "expired", "waiting", "never in"].map((key) => outbox.isDone(key));
    expect(areDone()).toEqual([true, true, false, false]);
    for (let i = 0; i < 1022; i++) {
      outbox.add(`k${i}`, "m", TIMES, 5000);
      outbox.take(`k${i}`);
    }
    expect(areDone()).toEqual([true, true, false, false]);
    outbox.take("waiting");
    expect(areDone()).toEqual([false, true, true, false]);
  });

  it("has another key for another destination, queue or sequence number", () => {
    const anyHex = (bytes: number): fc.Arbitrary<string> =>
      fc
        .uint8Array({ minLength: bytes, maxLength: bytes })
        .map((array) => Buffer.from(array).toString("hex"));
    const anyPlace = fc.tuple(anyHex(33), anyHex(32), fc.nat(0xffff_ffff));
    fc.assert(
      fc.property(anyPlace, anyPlace, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(Outbox.keyOf(...a) === Outbox.keyOf(...b)).toBe(same);
      }),
    );
    const keys = new Set<string>();
    for (const to of ["02".repeat(33), "03".repeat(33)]) {
      for (const queue of ["00".repeat(32), "11".repeat(32)]) {
        for (const sequence of [0, 1, 10, 11, 111]) keys.add(Outbox.keyOf(to, queue, sequence));
      }
    }
    expect(keys.size).toBe(20);
  });

  it("asks for what has come due since it was last called, at any times", () => {
    const anyMessage = fc.record({
      startAt: fc.nat(5000),
      widenAfterMs: fc.integer({ min: 10, max: 3000 }),
      timeoutMs: fc.integer({ min: 1, max: 6000 }),
      takeAt: fc.option(fc.nat(9000), { nil: Number.POSITIVE_INFINITY }),
    });
    const anyCalls = fc.array(fc.nat(13_000), { maxLength: 60 }).map((times) => times.sort((a, b) => a - b));
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 5 }), anyCalls, (messages, calls) => {
        const outbox = new Outbox<number>();
        const model = messages.map((message) => ({
          ...message,
          state: "before",
          called: message.startAt,
          widened: message.startAt,
        }));
        for (const now of calls) {
          const expected: string[] = [];
          for (const [i, entry] of model.entries()) {
            if (entry.state === "before" && entry.startAt <= now) {
              entry.state = "waiting";
              outbox.add(`k${i}`, i, entry, entry.startAt);
            }
            if (entry.state === "waiting" && entry.takeAt <= now) {
              entry.state = "gone";
              expect(outbox.take(`k${i}`)).toBe(i);
            }
            if (entry.state !== "waiting") continue;
            if (now >= entry.startAt + entry.timeoutMs) {
              entry.state = "gone";
              expected.push(`${i} expire`);
              continue;
            }
            const repeatDue = REPEAT_AFTER_MS.map((pause) => entry.startAt + pause);
            if (repeatDue.some((at) => entry.called < at && at <= now)) expected.push(`${i} repeat`);
            if (now >= entry.widened + entry.widenAfterMs) {
              expected.push(`${i} widen`);
              entry.widened = now;
            }
            entry.called = now;
          }
          const wanted = outbox.nextAt() <= now;
          const due = outbox.due(now).map(({ item, action }) => `${item} ${action}`);
          expect(due.toSorted()).toEqual(expected.toSorted());
          expect(wanted).toBe(expected.length > 0);
          expect(outbox.nextAt()).toBeGreaterThan(now);
          expect(outbox.items().toSorted()).toEqual(
            [...model.keys()].filter((i) => model[i]?.state === "waiting"),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it("repeats a message twice at most and expires it once, however it is called", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(900), { minLength: 10, maxLength: 100 }), (pauses) => {
        const outbox = new Outbox<string>();
        outbox.add("k", "m", TIMES, 0);
        const counts: Record<OutboxAction, number> = { widen: 0, repeat: 0, expire: 0 };
        let now = 0;
        for (const pause of [...pauses, 5000, 5000]) {
          now += pause;
          for (const { action } of outbox.due(now)) counts[action]++;
        }
        expect(counts.repeat).toBeLessThanOrEqual(2);
        expect(counts.widen).toBeLessThanOrEqual(9);
        expect(counts.expire).toBe(1);
      }),
    );
  });
});

it("repeats at 900 and 2000 ms: once before a receiver goes on without the message", () => {
  expect(REPEAT_AFTER_MS).toEqual([900, 2000]);
  const { gapTimeoutMs } = parseRouterOptions({ getTime: Date.now });
  // What is left is for networks whose delay varies.
  expect(gapTimeoutMs - (REPEAT_AFTER_MS[0] ?? 0)).toBeGreaterThanOrEqual(100);
});
