import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Reserve, TokenBucket } from "../src/brokers/token-bucket.js";

const RATE = { perSecond: 10, burst: 40 };

const anyRate = fc.record({
  perSecond: fc.double({ min: 0.01, max: 1000, noNaN: true }),
  burst: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.double({ min: 1, max: 100, noNaN: true })),
});
const anyCalls = fc.array(
  fc.record({
    pauseMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 3000, noNaN: true })),
    ack: fc.boolean(),
  }),
  { maxLength: 150, size: "max" },
);

/** The times at which the bucket gave a token. */
function taken(bucket: TokenBucket, calls: readonly { pauseMs: number; ack: boolean }[]): number[] {
  const times: number[] = [];
  let now = 1000;
  for (const { pauseMs, ack } of calls) {
    now += pauseMs;
    if (ack ? bucket.take(now, Reserve.None) : bucket.take(now, Reserve.Message)) times.push(now);
  }
  return times;
}

/** How many tokens can be taken one after the other. */
function drain(take: () => boolean): number {
  let count = 0;
  while (count < 10_000 && take()) count++;
  return count;
}

describe("a bucket", () => {
  it("gives no more than the burst and the rate's share, in any interval", () => {
    fc.assert(
      fc.property(anyRate, anyCalls, (rate, calls) => {
        const times = taken(new TokenBucket(rate), calls);
        for (let from = 0; from < times.length; from++) {
          for (let to = from; to < times.length; to++) {
            const seconds = ((times[to] ?? 0) - (times[from] ?? 0)) / 1000;
            expect(to - from + 1).toBeLessThanOrEqual(rate.burst + rate.perSecond * seconds + 1e-5);
          }
        }
      }),
    );
  });

  it("gives messages three quarters of that at most", () => {
    fc.assert(
      fc.property(anyRate, anyCalls, (rate, calls) => {
        const messages = calls.map(({ pauseMs }) => ({ pauseMs, ack: false }));
        const times = taken(new TokenBucket(rate), messages);
        const share = rate.burst - Math.floor(rate.burst / 4);
        for (const [i, at] of times.entries()) {
          const seconds = (at - (times[0] ?? 0)) / 1000;
          expect(i + 1).toBeLessThanOrEqual(share + rate.perSecond * seconds + 1e-5);
        }
      }),
    );
  });

  it("keeps a quarter for ACKs, when messages have taken all they can", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), (burst) => {
        const bucket = new TokenBucket({ perSecond: 1, burst });
        expect(drain(() => bucket.take(0, Reserve.Message))).toBe(burst - Math.floor(burst / 4));
        expect(drain(() => bucket.take(0, Reserve.None))).toBe(Math.floor(burst / 4));
      }),
    );
  });

  it("leaves each one's part to those before, however often the others ask", () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 40 });
    const order = [Reserve.Repeat, Reserve.Stranger, Reserve.Message, Reserve.None];
    for (const reserve of order) expect(drain(() => bucket.take(0, reserve))).toBe(10);
    let own = 0;
    for (let now = 0; now <= 10_000; now++) {
      for (const reserve of order.slice(0, 2)) expect(bucket.take(now, reserve)).toBe(false);
      if (bucket.take(now, now < 5000 ? Reserve.None : Reserve.Message)) own++;
    }
    // All of the rate, but for what fills the reserve up again.
    expect(own).toBeGreaterThanOrEqual(100 - 10);
  });

  it("gives all of it to ACKs where they want it", () => {
    const bucket = new TokenBucket(RATE);
    expect(drain(() => bucket.take(0, Reserve.None))).toBe(40);
    expect(bucket.take(0, Reserve.Message)).toBe(false);
  });

  it("gives a message its token also from the smallest burst", () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 1 });
    expect(bucket.take(0, Reserve.Message)).toBe(true);
    expect(bucket.take(999, Reserve.Message)).toBe(false);
    expect(bucket.take(1000, Reserve.Message)).toBe(true);
  });

  it("fills up to the burst and no further", () => {
    const bucket = new TokenBucket(RATE);
    drain(() => bucket.take(0, Reserve.None));
    expect(drain(() => bucket.take(500, Reserve.None))).toBe(5);
    expect(drain(() => bucket.take(3_600_000, Reserve.None))).toBe(40);
  });

  it("has no limit without a rate", () => {
    const bucket = new TokenBucket(undefined);
    expect(drain(() => bucket.take(0, Reserve.Message))).toBe(10_000);
    expect(drain(() => bucket.take(0, Reserve.None))).toBe(10_000);
    expect(bucket.readyAt(7, Reserve.Message)).toBe(7);
  });
});

describe("readyAt", () => {
  it("is now where there is a token, else when there will be one", () => {
    const bucket = new TokenBucket(RATE);
    expect(bucket.readyAt(0, Reserve.Message)).toBe(0);
    drain(() => bucket.take(0, Reserve.Message));
    expect(bucket.readyAt(0, Reserve.Message)).toBeCloseTo(100, 6);
    expect(bucket.readyAt(60, Reserve.Message)).toBeCloseTo(100, 6);
    expect(bucket.take(99, Reserve.Message)).toBe(false);
    expect(bucket.take(101, Reserve.Message)).toBe(true);
  });

  it("waits longer when ACKs have drawn on what is kept for them", () => {
    const bucket = new TokenBucket(RATE);
    drain(() => bucket.take(0, Reserve.None));
    expect(bucket.readyAt(0, Reserve.Message)).toBeCloseTo(1100, 6);
  });

  it("takes nothing", () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 1 });
    for (let i = 0; i < 10; i++) expect(bucket.readyAt(0, Reserve.Message)).toBe(0);
    expect(bucket.take(0, Reserve.Message)).toBe(true);
  });

  it("is now exactly when a message can be taken now", () => {
    fc.assert(
      fc.property(anyRate, anyCalls, (rate, calls) => {
        const bucket = new TokenBucket(rate);
        let now = 1e7;
        for (const { pauseMs, ack } of calls) {
          now += pauseMs;
          const readyAt = bucket.readyAt(now, Reserve.Message);
          if (ack) bucket.take(now, Reserve.None);
          else expect(bucket.take(now, Reserve.Message)).toBe(readyAt <= now);
        }
      }),
    );
  });

  it("comes to now in a few steps, and then a message can be taken", () => {
    fc.assert(
      fc.property(anyRate, fc.double({ min: 0, max: 1e9, noNaN: true }), (rate, start) => {
        const bucket = new TokenBucket(rate);
        let now = start;
        for (let i = 0; i < 300; i++) {
          // What is missing of a token may be less than the clock can show.
          for (let step = 0; step < 3; step++) now = bucket.readyAt(now, Reserve.Message);
          expect(bucket.readyAt(now, Reserve.Message)).toBe(now);
          expect(bucket.take(now, Reserve.Message)).toBe(true);
        }
      }),
    );
  });
});
