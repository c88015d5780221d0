import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseRouterOptions } from "../src/options.js";
import { Outbox, type OutboxAction, type OutboxPlan, REPEAT_PAUSES_MS } from "../src/sending/outbox.js";

const TIMES: OutboxPlan = {
  to: "ben",
  queueId: "k",
  sequence: 0,
  newestFirst: false,
  widenAfterMs: 400,
  answerMs: 0,
  leavingMs: 0,
  timeoutMs: 4000,
};

/** A plan in which nothing is ever widened. */
const NARROW: OutboxPlan = { ...TIMES, widenAfterMs: 1e9, timeoutMs: 1e6 };

/** The key of a message to Ben that is alone in its queue. */
const keyOf = (queueId: string): string => Outbox.keyOf("ben", queueId, 0);

/** Everything an outbox asks for when it is called exactly when it wants to be. */
function scheduleOf(outbox: Outbox<string>): [number, string, OutboxAction][] {
  const log: [number, string, OutboxAction][] = [];
  for (let at = outbox.nextAt(); Number.isFinite(at); at = outbox.nextAt()) {
    const due = outbox.due(at);
    if (due.length === 0 || log.length > 10_000) throw new Error(`it comes to no end at ${at}`);
    for (const { item, action } of due) log.push([at, item, action]);
  }
  return log;
}

/** When a message is repeated, ms after it was sent. */
function repeatsOf(plan: Partial<OutboxPlan>): number[] {
  const outbox = new Outbox<string>();
  outbox.add("m", { ...NARROW, ...plan }, 0);
  return scheduleOf(outbox)
    .filter(([, , action]) => action === "repeat")
    .map(([at]) => at);
}

describe("the schedule of a message", () => {
  it("is to widen at each widenAfterMs, to repeat after 0.9 s and 2 s, and to expire", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("m", TIMES, 10_000)).toBe(10_400);
    const log = scheduleOf(outbox);
    const timesOf = (wanted: OutboxAction): number[] =>
      log.filter(([, , action]) => action === wanted).map(([at]) => at - 10_000);
    expect(timesOf("widen")).toEqual([400, 800, 1200, 1600, 2000, 2400, 2800, 3200, 3600]);
    expect(timesOf("repeat")).toEqual([900, 2000]);
    expect(timesOf("expire")).toEqual([4000]);
    expect(log.at(-1)).toEqual([14_000, "m", "expire"]);
    expect(outbox.size).toBe(0);
  });

  it("repeats until the time is over, ever more rarely, and then every half minute", () => {
    expect(repeatsOf({ timeoutMs: 20_000 })).toEqual([900, 2000, 4000, 7000, 11_000, 17_000]);
    const long = repeatsOf({ timeoutMs: 600_000 });
    expect(long.slice(6, 12)).toEqual([26_000, 39_000, 59_000, 89_000, 119_000, 149_000]);
    expect(long.at(-1)).toBe(599_000);
    const pauses = long.map((at, i) => at - (long[i - 1] ?? 0));
    expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
    expect(Math.max(...pauses)).toBe(30_000);
  });

  it("leaves the peer time to answer", () => {
    expect(repeatsOf({ timeoutMs: 12_000, answerMs: 2500, leavingMs: 0 })).toEqual([
      2500, 5000, 7500, 10_500,
    ]);
  });

  it("is over with the timeout, however short", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("m", { ...TIMES, timeoutMs: 50 }, 0)).toBe(50);
    expect(scheduleOf(outbox)).toEqual([[50, "m", "expire"]]);
  });

  it("repeats before the first widening where that is far away", () => {
    const outbox = new Outbox<string>();
    expect(outbox.add("m", { ...TIMES, widenAfterMs: 60_000, timeoutMs: 3000 }, 0)).toBe(900);
    expect(scheduleOf(outbox).map(([at, , action]) => [at, action])).toEqual([
      [900, "repeat"],
      [2000, "repeat"],
      [3000, "expire"],
    ]);
  });

  it("is not made up for when it was slept through", () => {
    const outbox = new Outbox<string>();
    outbox.add("m", { ...TIMES, timeoutMs: 10_000 }, 0);
    const actions = outbox.due(5000).map(({ action }) => action);
    expect(actions).toEqual(["repeat", "widen"]);
    expect(outbox.due(5000)).toEqual([]);
    expect(outbox.nextAt()).toBe(5400);
  });

  it("is only to expire when the timeout was slept through too", () => {
    const outbox = new Outbox<string>();
    outbox.add("m", TIMES, 0);
    expect(outbox.due(60_000)).toEqual([{ item: "m", action: "expire" }]);
    expect(outbox.due(60_000)).toEqual([]);
  });

  it("ends when the message is taken", () => {
    const outbox = new Outbox<string>();
    outbox.add("m", TIMES, 0);
    outbox.due(500);
    expect(outbox.take(keyOf("k"))).toBe("m");
    expect(outbox.due(60_000)).toEqual([]);
    expect(outbox.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });

  it("has nothing to do at no message", () => {
    expect(new Outbox<string>().nextAt()).toBe(Number.POSITIVE_INFINITY);
    expect(new Outbox<string>().due(1e9)).toEqual([]);
  });
});

describe("messages to one peer", () => {
  const toBen = (outbox: Outbox<string>, count: number, plan: OutboxPlan, apartMs: number): void => {
    for (let i = 0; i < count; i++) outbox.add(`${i}`, { ...plan, sequence: i }, i * apartMs);
  };
  const at = (outbox: Outbox<string>, now: number): string[] =>
    outbox.due(now).map(({ item, action }) => `${action} ${item}`);

  it("are repeated together, so that their order can be restored", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 4, NARROW, 150);
    expect(at(outbox, 900)).toEqual(["repeat 0", "repeat 1", "repeat 2", "repeat 3"]);
    expect(outbox.nextAt()).toBe(2000);
  });

  it("are repeated and widened newest first, where the peer needs it", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 4, { ...TIMES, newestFirst: true }, 10);
    expect(at(outbox, 400)).toEqual(["widen 3", "widen 2", "widen 1", "widen 0"]);
    expect(at(outbox, 900)).toEqual([
      ...["repeat 3", "repeat 2", "repeat 1", "repeat 0"],
      ...["widen 3", "widen 2", "widen 1", "widen 0"],
    ]);
  });

  it("are widened each in its time, where the peer does not need it", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 3, TIMES, 10);
    expect(at(outbox, 400)).toEqual(["widen 0"]);
    expect(at(outbox, 420)).toEqual(["widen 1", "widen 2"]);
  });

  it("do not go along when they were sent a moment ago, and none is repeated later than alone", () => {
    const outbox = new Outbox<string>();
    outbox.add("old", NARROW, 0);
    outbox.add("new", { ...NARROW, sequence: 1 }, 600);
    expect(at(outbox, 900)).toEqual(["repeat old"]);
    expect(outbox.nextAt()).toBe(1500);
  });

  it("do not go along with those to another peer", () => {
    const outbox = new Outbox<string>();
    outbox.add("to ben", NARROW, 0);
    outbox.add("to eve", { ...NARROW, to: "eve" }, 100);
    expect(at(outbox, 900)).toEqual(["repeat to ben"]);
  });

  it("are repeated at once when the peer is back, and then as from the beginning", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 3, NARROW, 0);
    outbox.add("to eve", { ...NARROW, to: "eve" }, 0);
    for (const now of [900, 2000, 4000, 7000, 11_000]) outbox.due(now);
    outbox.add("new", { ...NARROW, sequence: 9 }, 13_000);
    expect(outbox.nextAt()).toBe(13_900);
    expect(outbox.heard("ben", 13_100)).toBeLessThanOrEqual(13_100);
    outbox.take(Outbox.keyOf("ben", "k", 9));
    expect(at(outbox, 13_100)).toEqual(["repeat 0", "repeat 1", "repeat 2"]);
    expect(at(outbox, 14_200)).toEqual(["repeat 0", "repeat 1", "repeat 2"]);
  });

  it("are repeated at once when the original has answered a later one: it owes no ACK for those before", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 5, { ...NARROW, newestFirst: true }, 10);
    outbox.add("elsewhere", { ...NARROW, queueId: "another" }, 40);
    const answered = { queueId: "k", sequence: 3 };
    outbox.take(Outbox.keyOf("ben", "k", 3));
    expect(outbox.heard("ben", 300, answered)).toBe(300);
    expect(at(outbox, 300)).toEqual(["repeat 2", "repeat 1", "repeat 0"]);
    // Once: more ACKs of the same tick ask for nothing more.
    expect(outbox.heard("ben", 310, answered)).toBeGreaterThan(310);
    expect(at(outbox, 310)).toEqual([]);
  });

  it("keep their pauses while the peer answers others: it may have refused them", () => {
    const outbox = new Outbox<string>();
    outbox.add("refused", { ...NARROW, timeoutMs: 60_000 }, 0);
    const repeatedAt: number[] = [];
    for (let now = 0; now <= 60_000; now += 100) {
      outbox.heard("ben", now);
      if (outbox.due(now).some(({ action }) => action === "repeat")) repeatedAt.push(now);
    }
    expect(repeatedAt).toEqual([900, 2000, 4000, 7000, 11_000, 17_000, 26_000, 39_000, 59_000]);
  });

  it("are looked at without spreading them: 130 000 wait at once", () => {
    const outbox = new Outbox<string>();
    toBen(outbox, 130_000, TIMES, 0);
    expect(outbox.nextAt()).toBe(400);
    expect(outbox.due(900)).toHaveLength(260_000);
    expect(outbox.due(9000)).toHaveLength(130_000);
    expect(outbox.nextAt()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("an outbox", () => {
  it("finds a message by its key, until it is taken", () => {
    const outbox = new Outbox<string>();
    outbox.add("m1", { ...TIMES, queueId: "k1" }, 0);
    outbox.add("m2", { ...TIMES, queueId: "k2" }, 0);
    const [k1, k3] = [keyOf("k1"), keyOf("k3")];
    expect([outbox.has(k1), outbox.get(k1), outbox.has(k3), outbox.get(k3)]).toEqual([
      true,
      "m1",
      false,
      undefined,
    ]);
    expect(outbox.take(k1)).toBe("m1");
    expect(outbox.take(k1)).toBeUndefined();
    expect(outbox.take(k3)).toBeUndefined();
    expect([outbox.has(k1), outbox.size, outbox.items()]).toEqual([false, 1, ["m2"]]);
  });

  it("remembers the last thousand that were in, for their late ACKs", () => {
    const outbox = new Outbox<string>();
    outbox.add("m", { ...TIMES, queueId: "taken" }, 0);
    outbox.add("m", { ...TIMES, queueId: "expired" }, 0);
    outbox.add("m", { ...TIMES, queueId: "waiting", timeoutMs: 1e6 }, 0);
    outbox.take(keyOf("taken"));
    outbox.take(keyOf("never in"));
    outbox.due(4000);
    const areDone = (): boolean[] =>
      ["taken", "expired", "waiting", "never in"].map((queue) => outbox.isDone(keyOf(queue)));
    expect(areDone()).toEqual([true, true, false, false]);
    for (let i = 0; i < 1022; i++) {
      outbox.add("m", { ...TIMES, queueId: `k${i}` }, 5000);
      outbox.take(keyOf(`k${i}`));
    }
    expect(areDone()).toEqual([true, true, false, false]);
    outbox.take(keyOf("waiting"));
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
      to: fc.constantFrom("ben", "eve"),
      newestFirst: fc.boolean(),
      startAt: fc.nat(5000),
      widenAfterMs: fc.integer({ min: 10, max: 3000 }),
      answerMs: fc.nat(2000),
      timeoutMs: fc.integer({ min: 1, max: 30_000 }),
      takeAt: fc.option(fc.nat(40_000), { nil: Number.POSITIVE_INFINITY }),
    });
    const anyCalls = fc.array(fc.nat(40_000), { maxLength: 60 }).map((times) => times.sort((a, b) => a - b));
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 5 }), anyCalls, (messages, calls) => {
        const outbox = new Outbox<number>();
        const model = messages.map((message) => ({
          ...message,
          state: "before",
          widened: message.startAt,
          published: message.startAt,
          repeats: 0,
        }));
        type Entry = (typeof model)[number];
        const pauseOf = ({ repeats, answerMs }: Entry): number =>
          Math.max(answerMs, REPEAT_PAUSES_MS[Math.min(repeats, REPEAT_PAUSES_MS.length - 1)] ?? 0);
        for (const now of calls) {
          const expected: string[] = [];
          for (const [i, entry] of model.entries()) {
            if (entry.state === "before" && entry.startAt <= now) {
              entry.state = "waiting";
              outbox.add(i, { ...entry, queueId: "k", sequence: i, leavingMs: 0 }, entry.startAt);
            }
            if (entry.state === "waiting" && entry.takeAt <= now) {
              entry.state = "gone";
              expect(outbox.take(Outbox.keyOf(entry.to, "k", i))).toBe(i);
            }
            if (entry.state === "waiting" && now >= entry.startAt + entry.timeoutMs) {
              entry.state = "gone";
              expected.push(`${i} expire`);
            }
          }
          const waiting = [...model.entries()].filter(([, { state }]) => state === "waiting");
          const isDue = {
            repeat: (entry: Entry, share: number): boolean => now >= entry.published + share * pauseOf(entry),
            widen: (entry: Entry, share: number): boolean =>
              now >= entry.widened + share * entry.widenAfterMs,
          };
          const groups = { repeat: new Set<string>(), widen: new Set<string>() };
          for (const [, entry] of waiting) {
            for (const action of ["repeat", "widen"] as const)
              if (isDue[action](entry, 1)) groups[action].add(entry.to);
          }
          for (const [i, entry] of waiting) {
            if (groups.repeat.has(entry.to) && isDue.repeat(entry, 0.4)) {
              expected.push(`${i} repeat`);
              Object.assign(entry, { published: now, repeats: entry.repeats + 1 });
            }
            if (groups.widen.has(entry.to) && isDue.widen(entry, entry.newestFirst ? 0.4 : 1)) {
              expected.push(`${i} widen`);
              entry.widened = now;
            }
          }
          const wanted = outbox.nextAt() <= now;
          const due = outbox.due(now).map(({ item, action }) => `${item} ${action}`);
          expect(due.toSorted()).toEqual(expected.toSorted());
          expect(wanted).toBe(expected.length > 0);
          expect(outbox.nextAt()).toBeGreaterThan(now);
          expect(outbox.items().toSorted()).toEqual(waiting.map(([i]) => i));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("repeats a message no more often than planned and expires it once, however it is called", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(900), { minLength: 10, maxLength: 100 }), (pauses) => {
        const outbox = new Outbox<string>();
        outbox.add("m", TIMES, 0);
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

it("repeats after 900 ms: before a receiver goes on without the message", () => {
  const { gapTimeoutMs } = parseRouterOptions({ getTime: Date.now });
  // What is left is for networks whose delay varies.
  expect(gapTimeoutMs - (REPEAT_PAUSES_MS[0] ?? 0)).toBeGreaterThanOrEqual(100);
});
