import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heap } from "../src/base/heap.js";

/** What may be done to a heap of a few items. */
const anyStep = fc.oneof(
  fc.record({ act: fc.constant("set" as const), item: fc.nat(30), at: fc.nat(20) }),
  fc.record({ act: fc.constant("delete" as const), item: fc.nat(30) }),
  fc.record({ act: fc.constant("upTo" as const), at: fc.nat(20) }),
);

const ascending = (a: number, b: number): number => a - b;

describe("a heap", () => {
  it("knows the first, and all up to a number, whatever was added, moved and removed", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 200 }), (steps) => {
        const heap = new Heap<number>();
        const model = new Map<number, number>();
        for (const step of steps) {
          if (step.act === "set") {
            heap.set(step.item, step.at);
            model.set(step.item, step.at);
          } else if (step.act === "delete") {
            heap.delete(step.item);
            model.delete(step.item);
          } else {
            const expected = [...model].filter(([, at]) => at <= step.at).map(([item]) => item);
            expect(heap.upTo(step.at).sort(ascending)).toEqual(expected.sort(ascending));
          }
          expect(heap.size).toBe(model.size);
          expect(heap.firstAt).toBe([...model.values()].sort(ascending)[0] ?? Number.POSITIVE_INFINITY);
          expect([...heap.items()].sort(ascending)).toEqual([...model.keys()].sort(ascending));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("looks at no more than it finds", () => {
    const heap = new Heap<number>();
    let looks = 0;
    for (let i = 0; i < 10_000; i++) {
      // In the place of a number, one that tells when it is compared.
      const at = { valueOf: () => ++looks && i };
      heap.set(i, at as unknown as number);
    }
    looks = 0;
    expect(heap.upTo(9)).toHaveLength(10);
    expect(looks).toBeLessThanOrEqual(3 * 10);
    heap.set(0, 20_000);
    expect(looks).toBeLessThanOrEqual(100);
  });
});
