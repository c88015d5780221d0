import { expect, it } from "vitest";
import { Asking } from "../../src/facts/asking.js";
import { ASK_TURN_MS, MAX_ASKED } from "../../src/facts/constants.js";

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `peer ${i}`);
const nobody = (): boolean => false;

it("is of all while they are few, and of nobody when nobody is sought", () => {
  const asking = new Asking();
  expect(asking.choose(named(3), nobody, true, 0)).toEqual(new Set(named(3)));
  expect(asking.choose(named(3), nobody, false, 1)).toEqual(new Set());
});

it("is of the same ones until their turn is over, and of each in turn", () => {
  const asking = new Asking();
  const asked = new Set<string>();
  for (let turn = 0; turn < 5; turn++) {
    const at = turn * ASK_TURN_MS;
    const now = asking.choose(named(40), nobody, true, at);
    expect(now.size).toBe(MAX_ASKED);
    expect(asking.choose(named(40), nobody, true, at + ASK_TURN_MS - 1)).toBe(now);
    for (const name of now) asked.add(name);
  }
  expect(asked.size).toBe(40);
});

it("keeps to those that know most, with half of the places for others", () => {
  const asking = new Asking();
  const knows = (name: string): boolean => Number(name.slice(5)) >= 30;
  for (let turn = 0; turn < 3; turn++) {
    const now = [...asking.choose(named(40), knows, true, turn * ASK_TURN_MS)];
    expect(now.filter(knows).length).toBeGreaterThanOrEqual(MAX_ASKED / 2);
    expect(now.filter((name) => !knows(name)).length).toBeGreaterThan(0);
  }
});

it("puts another one in the place of a peer that is lost", () => {
  const asking = new Asking();
  const before = [...asking.choose(named(9), nobody, true, 0)];
  const left = named(9).filter((name) => name !== before[0]);
  const after = asking.choose(left, nobody, true, 1);
  expect(after).toEqual(new Set(left));
});
