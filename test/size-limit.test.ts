import { describe, expect, it } from "vitest";
import { SizeLimit } from "../src/brokers/size-limit.js";

/** A session in which so long packets were published and not read. */
function endWith(sizes: SizeLimit, now: number, ...lengths: readonly number[]): void {
  for (const length of lengths) sizes.published(length);
  sizes.ended(now);
}

describe("the longest packet that a broker takes", () => {
  it("is below what ended two sessions; what is shorter goes on", () => {
    const sizes = new SizeLimit();
    endWith(sizes, 0, 60_000, 5000);
    expect(sizes.takes(60_000, 0)).toBe(true);
    endWith(sizes, 1000, 5000, 60_000, 40_000);
    expect([59_999, 60_000, 70_000].map((length) => sizes.takes(length, 1000))).toEqual([true, false, false]);
  });

  it("is found by one session each once the broker is known", () => {
    const sizes = new SizeLimit();
    for (const now of [0, 1]) endWith(sizes, now, 60_000);
    endWith(sizes, 2, 50_000);
    expect(sizes.takes(50_000, 3)).toBe(false);
    expect(sizes.takes(49_999, 3)).toBe(true);
  });

  it("is not learnt from sessions that ended with short packets, or with what went through before", () => {
    const sizes = new SizeLimit();
    for (let now = 0; now < 10; now++) endWith(sizes, now, 200, 4095);
    sizes.published(60_000);
    sizes.read();
    for (let now = 10; now < 20; now++) endWith(sizes, now, 60_000);
    expect(sizes.takes(60_000, 20)).toBe(true);
  });

  it("is not learnt where a long packet went through between the two", () => {
    const sizes = new SizeLimit();
    endWith(sizes, 0, 60_000);
    sizes.published(30_000);
    sizes.read();
    endWith(sizes, 1, 60_000);
    expect(sizes.takes(60_000, 2)).toBe(true);
  });

  it("is looked at anew after ten minutes, and when a longer one went through", () => {
    const sizes = new SizeLimit();
    for (const now of [0, 1]) endWith(sizes, now, 60_000);
    expect(sizes.takes(60_000, 599_000)).toBe(false);
    expect(sizes.takes(60_000, 600_001)).toBe(true);
    for (const now of [600_002, 600_003]) endWith(sizes, now, 60_000);
    sizes.taken(61_000);
    expect(sizes.takes(60_000, 600_004)).toBe(true);
  });
});
