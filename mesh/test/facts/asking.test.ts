import { expect, it } from "vitest";
import { Asking } from "../../src/facts/asking.js";
import { ASK_TURN_MS, MAX_ASKED, REST_AFTER_MS, REST_TURN_MS } from "../../src/facts/constants.js";

const named = (count: number): string[] => Array.from({ length: count }, (_, i) => `peer ${i}`);
const SOUGHT = ["lost"];
const nobody = (): boolean => false;

it("is of all while they are few, and of nobody when nobody is sought", () => {
  const asking = new Asking();
  expect(asking.choose(named(3), nobody, SOUGHT, 0)).toEqual(new Set(named(3)));
  expect(asking.choose(named(3), nobody, [], 1)).toEqual(new Set());
});

it("is of the same ones until their turn is over, and of each in turn", () => {
  const asking = new Asking();
  const asked = new Set<string>();
  for (let turn = 0; turn < 5; turn++) {
    const at = turn * ASK_TURN_MS;
    const now = asking.choose(named(40), nobody, SOUGHT, at);
    expect(now.size).toBe(MAX_ASKED);
    expect(asking.choose(named(40), nobody, SOUGHT, at + ASK_TURN_MS - 1)).toBe(now);
    for (const name of now) asked.add(name);
  }
  expect(asked.size).toBe(40);
});

it("keeps to those that know most, with half of the places for others", () => {
  const asking = new Asking();
  const knows = (name: string): boolean => Number(name.slice(5)) >= 30;
  for (let turn = 0; turn < 3; turn++) {
    const now = [...asking.choose(named(40), knows, SOUGHT, turn * ASK_TURN_MS)];
    expect(now.filter(knows).length).toBeGreaterThanOrEqual(MAX_ASKED / 2);
    expect(now.filter((name) => !knows(name)).length).toBeGreaterThan(0);
  }
});

it("puts another one in the place of a peer that is lost", () => {
  const asking = new Asking();
  const before = [...asking.choose(named(9), nobody, SOUGHT, 0)];
  const left = named(9).filter((name) => name !== before[0]);
  const after = asking.choose(left, nobody, SOUGHT, 1);
  expect(after).toEqual(new Set(left));
});

it("is of one at a time while the same ones are sought for long, until another one is", () => {
  const asking = new Asking();
  const choose = (now: number, ...sought: readonly string[]): ReadonlySet<string> =>
    asking.choose(named(40), nobody, sought, now);
  for (let now = 0; now < REST_AFTER_MS; now += ASK_TURN_MS)
    expect(choose(now, "lost", "gone").size).toBe(MAX_ASKED);
  const asked = new Set<string>();
  let now = REST_AFTER_MS;
  for (let turn = 0; turn < 40; turn++, now += REST_TURN_MS) {
    // One that is back is no reason to look for the others again.
    const [one, ...more] = choose(now, "lost");
    expect([one, more, [...choose(now + REST_TURN_MS - 1, "lost")]]).toEqual([one, [], [one]]);
    asked.add(one ?? "");
  }
  expect(asked.size).toBe(40);
  expect(choose(now - 1, "lost", "another").size).toBe(MAX_ASKED);
});
