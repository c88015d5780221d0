import { describe, expect, it } from "vitest";
import { Sweep } from "../src/base/sweep.js";

function numbers(count: number): Map<number, string> {
  return new Map(Array.from({ length: count }, (_, i) => [i, `value ${i}`]));
}

describe("a sweep", () => {
  it("comes by every entry once in a round, some at each call, round after round", () => {
    const map = numbers(5000);
    const sweep = new Sweep(map);
    const seen: [number, string][] = [];
    while (seen.length < 3 * map.size) {
      const some = [...sweep.some()];
      expect(some.length).toBeGreaterThan(0);
      expect(some.length).toBeLessThanOrEqual(2048);
      seen.push(...some);
    }
    expect(seen).toEqual([...map, ...map, ...map]);
  });

  it("comes by the whole of a small map with each call", () => {
    const map = numbers(100);
    const sweep = new Sweep(map);
    for (let call = 0; call < 3; call++) expect([...sweep.some()]).toEqual([...map]);
    map.set(100, "new");
    expect([...sweep.some()]).toHaveLength(101);
    map.clear();
    expect([...sweep.some()]).toEqual([]);
  });

  it("lets entries be deleted and added on the way", () => {
    const map = numbers(5000);
    const sweep = new Sweep(map);
    const seen: number[] = [];
    for (let call = 0; call < 20; call++) {
      for (const [key] of sweep.some()) {
        seen.push(key);
        map.delete(key);
        map.delete(key + 1);
        if (key === 0) map.set(9999, "new");
      }
    }
    expect(seen).toEqual([...Array.from({ length: 2500 }, (_, i) => 2 * i), 9999]);
    expect(map.size).toBe(0);
  });
});
