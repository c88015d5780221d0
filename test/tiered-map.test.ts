import { describe, expect, it } from "vitest";
import { TieredMap } from "../src/base/tiered-map.js";

describe("a map in two tiers", () => {
  it("forgets the oldest of each tier for the newest of the same", () => {
    const map = new TieredMap<string, number>(2);
    map.set("friend", 1, true);
    for (let i = 0; i < 100; i++) map.set(`stranger ${i}`, i, false);
    expect(map.get("friend")).toBe(1);
    expect([97, 98, 99].map((i) => map.get(`stranger ${i}`))).toEqual([undefined, 98, 99]);
    map.set("second", 2, true);
    map.set("third", 3, true);
    expect(["friend", "second", "third"].map((key) => map.get(key))).toEqual([undefined, 2, 3]);
    expect(map.get("stranger 99")).toBe(99);
  });

  it("keeps what is known, also when it is set as a stranger's, and moves up what becomes known", () => {
    const map = new TieredMap<string, number>(1);
    map.set("friend", 1, true);
    map.set("friend", 2, false);
    map.set("stranger", 3, false);
    expect([map.get("friend"), map.isKnown("friend")]).toEqual([2, true]);
    expect(map.isKnown("stranger")).toBe(false);
    map.set("stranger", 4, true);
    map.set("another", 5, false);
    expect([map.get("stranger"), map.get("friend"), map.get("another")]).toEqual([4, undefined, 5]);
    map.delete("stranger");
    map.clear();
    expect([map.get("stranger"), map.get("another")]).toEqual([undefined, undefined]);
  });
});
