import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CANDIDATES_PER_SUBJECT, FACTS_PER_SENDER } from "../../src/facts/constants.js";
import type { CandidateFact } from "../../src/facts/fact.js";
import { aged, FactStore } from "../../src/facts/fact-store.js";

function at(subject: string, port: number, { ageS = 0, ttlS = 255 } = {}): CandidateFact {
  const endpoint = { address: "192.0.2.1", family: 4, port } as const;
  return { attribute: "candidate", subject, ttlS, kind: "host", endpoint, ageS };
}

const ports = (store: FactStore, by: string, subject: string, now: number): number[] =>
  store.candidates(by, subject, now).map(({ endpoint }) => endpoint.port);

describe("what was said", () => {
  it("is kept by who said it, until it expires", () => {
    const store = new FactStore();
    expect(store.take("B", at("X", 1), 0)).toBe("new");
    expect(store.take("B", at("X", 1), 1_000)).toBe("known");
    expect(store.take("C", at("X", 2, { ttlS: 10 }), 1_000)).toBe("new");
    expect([...store.sendersOf("X")]).toEqual(["B", "C"]);
    expect(ports(store, "C", "X", 10_999)).toEqual([2]);
    expect(ports(store, "C", "X", 11_000)).toEqual([]);
    store.sweep(11_000);
    expect(store.size).toBe(1);
    expect(ports(store, "B", "X", 255_999)).toEqual([1]);
    store.sweep(256_000);
    expect(store.size).toBe(0);
  });

  it("is new again after it has expired", () => {
    const store = new FactStore();
    store.take("B", at("X", 1, { ttlS: 10 }), 0);
    const before = store.version("B", "X");
    expect(store.take("B", at("X", 1), 10_000)).toBe("new");
    expect(store.version("B", "X")).not.toBe(before);
  });

  it("goes with who said it", () => {
    const store = new FactStore();
    store.take("B", at("X", 1), 0);
    store.take("C", at("X", 2), 0);
    store.forget("B");
    expect([...store.sendersOf("X")]).toEqual(["C"]);
    expect(store.size).toBe(1);
  });

  it("is first hand when the host itself has said it, and is there", () => {
    const store = new FactStore();
    store.take("B", at("X", 1), 0);
    store.take("C", at("C", 1), 0);
    expect([...store.firstHand(0)]).toEqual([]);
    store.take("C", { attribute: "alive", subject: "C", ttlS: 20, boot: 1n, wantsAll: false }, 0);
    expect([...store.firstHand(19_999)]).toEqual(["C"]);
    expect([...store.firstHand(20_000)]).toEqual([]);
  });

  it("is bounded for each sender, whatever it says, and costs no other one anything", () => {
    const said = fc.record({
      subject: fc.integer({ min: 0, max: 400 }).map(String),
      port: fc.integer({ min: 1, max: 80 }),
      ttlS: fc.constantFrom(1, 255, 0xffff),
      afterMs: fc.nat(2_000),
    });
    fc.assert(
      fc.property(fc.array(said, { minLength: 400, maxLength: 900 }), (all) => {
        const store = new FactStore();
        store.take("good", at("X", 7, { ttlS: 0xffff }), 0);
        let now = 0;
        for (const { subject, port, ttlS, afterMs } of all) {
          now += afterMs;
          store.take("bad", at(subject, port, { ttlS }), now);
          store.take("bad", at("one", port, { ttlS }), now);
        }
        expect(store.size).toBeLessThanOrEqual(FACTS_PER_SENDER + 1);
        expect(store.candidates("bad", "one", now).length).toBeLessThanOrEqual(CANDIDATES_PER_SUBJECT);
        expect(ports(store, "good", "X", now)).toEqual([7]);
      }),
      { numRuns: 30 },
    );
  });

  it("says no when it is full, and takes again what it has", () => {
    const store = new FactStore();
    for (let i = 1; i <= CANDIDATES_PER_SUBJECT; i++) expect(store.take("B", at("X", i), 0)).toBe("new");
    expect(store.take("B", at("X", 99), 0)).toBe("full");
    expect(store.take("B", at("X", 1), 0)).toBe("known");
    // What has expired gives its place.
    expect(store.take("B", at("X", 99), 255_000)).toBe("new");
  });
});

describe("the age of a candidate", () => {
  it("never gets younger, through whatever chain it is passed on", () => {
    const hops = fc.array(fc.nat(90_000), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(fc.nat(3_000), hops, (ageS, waits) => {
        let now = 0;
        let fact = at("X", 1, { ageS, ttlS: 0xffff });
        for (const [i, wait] of waits.entries()) {
          const store = new FactStore();
          store.take(`host ${i}`, fact, now);
          now += wait;
          const [held] = store.candidates(`host ${i}`, "X", now);
          const told = held && aged(held, now);
          expect(told).toBeDefined();
          expect(told?.ageS).toBeGreaterThanOrEqual(ageS + now / 1000);
          fact = { ...fact, ageS: told?.ageS ?? 0 };
        }
      }),
    );
  });

  it("is the youngest that the sender has said, in whichever order that came", () => {
    const store = new FactStore();
    store.take("B", at("X", 1, { ageS: 5 }), 0);
    store.take("B", at("X", 1, { ageS: 50 }), 1_000);
    const [held] = store.candidates("B", "X", 2_000);
    expect(held && aged(held, 2_000)?.ageS).toBe(7);
  });

  it("ends what is told when it is too great", () => {
    const store = new FactStore();
    store.take("B", at("X", 1, { ageS: 0xffff }), 0);
    const [held] = store.candidates("B", "X", 1);
    expect(held && aged(held, 1)).toBeUndefined();
  });
});
