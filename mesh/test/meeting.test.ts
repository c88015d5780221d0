import fc from "fast-check";
import { expect, it } from "vitest";
import { LEARN_MS, MEET_ALL, MEET_FIRST, MEET_WITHIN_MS, Meeting } from "../src/meeting.js";

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `peer ${i}`);
const nobody = (): boolean => false;

it("is with all at once up to 32", () => {
  const meeting = new Meeting(() => 0.5);
  meeting.set(named(MEET_ALL), nobody, 0);
  expect(named(MEET_ALL).every((name) => meeting.may(name, 0))).toBe(true);
  expect(meeting.isAwaited).toBe(false);
});

it("is with eight at first in a larger mesh, those that know others before the rest", () => {
  const meeting = new Meeting(Math.random);
  const knows = (name: string): boolean => ["peer 70", "peer 99"].includes(name);
  meeting.set(named(100), knows, 0);
  const first = named(100).filter((name) => meeting.may(name, 0));
  expect(first.length).toBe(MEET_FIRST);
  expect(first).toEqual(expect.arrayContaining(["peer 70", "peer 99"]));
});

it("forgets nobody: each has its turn within five minutes, and they are spread", () => {
  fc.assert(
    fc.property(fc.integer({ min: MEET_ALL + 1, max: 1_000 }), fc.nat(100_000), (count, start) => {
      const meeting = new Meeting(Math.random);
      meeting.set(named(count), nobody, start);
      const later = named(count).filter((name) => !meeting.may(name, start));
      expect(meeting.due(start + LEARN_MS)).toEqual([]);
      const met: string[] = [];
      let most = 0;
      for (let at = LEARN_MS; at <= MEET_WITHIN_MS; at += 1_000) {
        const due = meeting.due(start + at);
        most = Math.max(most, due.length);
        met.push(...due);
      }
      expect(met.toSorted()).toEqual(later.toSorted());
      expect(most).toBeLessThanOrEqual(Math.ceil(later.length / 270) + 1);
      expect(meeting.isAwaited).toBe(false);
    }),
    { numRuns: 30 },
  );
});

it("waits for nobody who has spoken, nor for a few that come later", () => {
  const meeting = new Meeting(() => 0.5);
  meeting.set(named(100), (name) => name < "peer 2", 0);
  const last = named(100).find((name) => !meeting.may(name, 0)) ?? "";
  meeting.heard(last);
  expect(meeting.may(last, 0)).toBe(true);
  meeting.set([...named(100), "new"], nobody, 1_000);
  expect(meeting.may("new", 1_000)).toBe(true);
});

it("is spread also when a network gives a host its peers after the start", () => {
  const meeting = new Meeting(() => 0.5);
  meeting.set(["static"], nobody, 0);
  meeting.set(["static", ...named(50)], nobody, 5_000);
  expect(named(50).filter((name) => meeting.may(name, 5_000)).length).toBe(MEET_FIRST);
});

it("asks nobody again who is gone", () => {
  const meeting = new Meeting(() => 0.5);
  meeting.set(named(100), nobody, 0);
  const last = named(100).find((name) => !meeting.may(name, 0)) ?? "";
  meeting.set(
    named(100).filter((name) => name !== last),
    nobody,
    0,
  );
  expect(meeting.due(MEET_WITHIN_MS)).not.toContain(last);
});
