import fc from "fast-check";
import { expect, it } from "vitest";
import type { Roster } from "../../src/roster/roster.js";
import { readStatement } from "../../src/roster/statement.js";
import { viewOf } from "../../src/roster/view.js";
import {
  admit,
  bytesOf,
  copyOf,
  foundedBy,
  give,
  keyOf,
  namesIn,
  promote,
  remove,
  replace,
  shown,
  signerOf,
} from "../support/roster.js";

/** A network of two admins, ann and ben, and a member, web. */
function office(): Roster {
  const roster = foundedBy("ann");
  admit(roster, "ann", "ben", 2);
  admit(roster, "ann", "web", 3);
  promote(roster, "ann", "ben");
  return roster;
}

/** Two that know all that each other knows. */
function merged(one: Roster, other: Roster): Roster {
  give(one, other);
  give(other, one);
  expect(shown(one)).toEqual(shown(other));
  return one;
}

it("lets a member keep its name, its addresses and what it may do", () => {
  const roster = office();
  const before = viewOf(roster);
  replace(roster, "ann", "web", "web-2");
  replace(roster, "ben", "ben", "ben-2");
  const { members, removed, replaced } = viewOf(roster);
  for (const [name, key] of Object.entries({ web: "web-2", ben: "ben-2" })) {
    const old = before.members.get(keyOf(name));
    expect(members.get(keyOf(key))).toEqual({ ...old, publicKey: keyOf(key) });
    expect([members.has(keyOf(name)), removed.get(keyOf(name))]).toEqual([false, name]);
    expect(replaced.get(keyOf(name))).toBe(keyOf(key));
  }
});

it("goes on from key to key, and never back to one", () => {
  const roster = office();
  for (const [from, to] of [
    ["web", "web-2"],
    ["web-2", "web-3"],
    ["web-3", "web"],
    ["web", "web-4"],
  ] as const)
    replace(roster, "ann", from, to);
  admit(roster, "ann", "web-2", 9);
  const { members, replaced } = viewOf(roster);
  expect(namesIn(roster)).toEqual(["ann", "ben", "web-2"]);
  // What is said of an old key is said of its member.
  expect(members.get(keyOf("web-3"))?.name).toBe("web-2");
  for (const old of ["web", "web-2"]) {
    expect(members.has(keyOf(old))).toBe(false);
    expect(replaced.get(keyOf(old))).toBe(keyOf("web-3"));
  }
});

it("has one successor for a key, everywhere the same, when two admins say one each", () => {
  const one = office();
  const other = copyOf(one);
  replace(one, "ann", "web", "web-2");
  replace(other, "ben", "web", "eve");
  const { members, removed } = viewOf(merged(one, other));
  const [won, lost] = members.has(keyOf("eve")) ? ["eve", "web-2"] : ["web-2", "eve"];
  expect(members.size).toBe(3);
  expect([members.get(keyOf(won))?.name, members.has(keyOf(lost))]).toEqual(["web", false]);
  expect(removed.has(keyOf(lost))).toBe(true);
  // Whatever is said of it later.
  admit(one, "ann", lost, 9);
  expect(viewOf(one).members.has(keyOf(lost))).toBe(false);
});

it("is one member still when two admins say the same", () => {
  const one = office();
  const other = copyOf(one);
  replace(one, "ann", "web", "web-2");
  replace(other, "ben", "web", "web-2");
  const { members } = viewOf(merged(one, other));
  expect([members.size, members.get(keyOf("web-2"))?.name]).toEqual([3, "web"]);
});

it("removes whoever is removed by an old key, or by a new one", () => {
  for (const key of ["web", "web-2"]) {
    const one = office();
    const other = copyOf(one);
    replace(one, "ann", "web", "web-2");
    if (key === "web-2") give(one, other);
    remove(other, "ben", key);
    const { members, removed, replaced } = viewOf(merged(one, other));
    expect(members.size).toBe(2);
    expect([...removed.keys()].toSorted()).toEqual([keyOf("web"), keyOf("web-2")].toSorted());
    expect(replaced.size).toBe(0);
  }
});

it("does not let a rename on one side, and a new key on the other, undo each other", () => {
  const one = office();
  const other = copyOf(one);
  replace(one, "ann", "web", "web-2");
  admit(other, "ben", "web", 3, "db");
  admit(other, "ben", "web", 3, "db");
  const { members } = viewOf(merged(one, other));
  expect(members.get(keyOf("web-2"))?.name).toBe("db");
});

it("makes nobody a member in the place of a key that is none", () => {
  const roster = office();
  replace(roster, "ann", "nobody", "eve");
  replace(roster, "ann", "eve", "eve-2");
  replace(roster, "ann", "web", "web");
  expect(namesIn(roster)).toEqual(["ann", "ben", "web"]);
  expect(viewOf(roster).members.has(keyOf("web"))).toBe(true);
});

it("takes a replacement from no member that is no admin", () => {
  const roster = office();
  expect(() => replace(roster, "web", "ann", "eve")).toThrow(/cannot replace/);
});

it("comes to the same in any order, with one member at most for each that was admitted", () => {
  const keys = ["web", "a", "b", "c"];
  const step = fc.record({
    admin: fc.constantFrom("ann", "ben"),
    from: fc.constantFrom(...keys),
    to: fc.constantFrom(...keys),
    isRemoval: fc.boolean(),
    meets: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const ofAnn = office();
      const ofBen = copyOf(ofAnn);
      for (const { admin, from, to, isRemoval, meets } of steps) {
        const roster = admin === "ann" ? ofAnn : ofBen;
        if (isRemoval && from !== "web") remove(roster, admin, from);
        else replace(roster, admin, from, to);
        if (meets) merged(ofAnn, ofBen);
      }
      const { members, removed } = viewOf(merged(ofAnn, ofBen));
      expect(members.size).toBeLessThanOrEqual(3);
      for (const key of members.keys()) expect(removed.has(key)).toBe(false);
    }),
    { numRuns: 25 },
  );
});

it("has one spelling of the old key", () => {
  const roster = office();
  replace(roster, "ann", "web", "web-2");
  const bytes = roster.taken.at(-1)?.bytes ?? new Uint8Array();
  expect(readStatement(bytes)?.fields).toMatchObject({
    replaces: bytesOf("web"),
    signer: signerOf("web").publicKey,
  });
  const short = Buffer.concat([bytes.subarray(0, -97), Uint8Array.of(31), bytes.subarray(-95)]);
  expect(readStatement(new Uint8Array(short))).toBeUndefined();
});
