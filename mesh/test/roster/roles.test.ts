import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPrefix, type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import { carriersOf, MAX_CARRIED, problemOf } from "../../src/roster/carriers.js";
import type { ClaimedRoute } from "../../src/roster/claims.js";
import { MAX_RULES, Reach } from "../../src/roster/reach.js";
import type { Roster } from "../../src/roster/roster.js";
import { MAX_ROUTES, readRoutes, writeRoutes } from "../../src/roster/route.js";
import { formatRule, MAX_GROUP_LENGTH, MAX_GROUPS, parseRule } from "../../src/roster/rule.js";
import { SIGNATURE_BYTES } from "../../src/roster/signing-key.js";
import { MAX_STATEMENT_BYTES, readStatement, STATEMENT_KINDS } from "../../src/roster/statement.js";
import { viewOf } from "../../src/roster/view.js";
import {
  admit,
  allow,
  copyOf,
  disallow,
  foundedBy,
  give,
  giveRoles,
  keyOf,
  promote,
  remove,
  replace,
  shown,
  signerOf,
} from "../support/roster.js";

const prefix = (text: string): Prefix => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
};

/** A network of two admins, ann and ben, and two members. */
function office(): Roster {
  const roster = foundedBy("ann");
  for (const [i, name] of ["ben", "web", "db"].entries()) admit(roster, "ann", name, i + 2);
  promote(roster, "ann", "ben");
  return roster;
}

/** Two that know all that each other knows. */
function merge(one: Roster, other: Roster): void {
  give(one, other);
  give(other, one);
  expect(shown(one)).toEqual(shown(other));
}

const rulesIn = (roster: Roster): string[] | undefined => viewOf(roster).rules?.map(formatRule);

/** Who reaches whom, of all that are there. */
function reachesIn(roster: Roster): string[] {
  const { members, rules } = viewOf(roster);
  const all = [...members.values()];
  return all.flatMap((from) => {
    const reach = new Reach(rules, from.groups);
    return all.flatMap((to) => (from !== to && reach.reaches(to.groups) ? [`${from.name} ${to.name}`] : []));
  });
}

/** Which subnets are carried by whom. */
function carriedIn(roster: Roster): Record<string, string> {
  const all = [...viewOf(roster).members.values()];
  return Object.fromEntries(
    all.flatMap(({ name, routes }) => routes.map((route) => [formatPrefix(route), name])),
  );
}

describe("what a member is besides its name", () => {
  it("is said for itself, and kept by a new name and a new key", () => {
    const roster = office();
    giveRoles(roster, "ann", "web", { groups: ["www", "all"], routes: ["192.168.7.0/24"] });
    giveRoles(roster, "ann", "web", { groups: ["www"] });
    admit(roster, "ann", "web", 3, "renamed");
    replace(roster, "ben", "web", "web-2");
    giveRoles(roster, "ann", "web", { routes: ["192.168.7.0/24", "fd12::/48"] });
    const web = viewOf(roster).members.get(keyOf("web-2"));
    expect([web?.name, web?.groups]).toEqual(["renamed", ["www"]]);
    expect(web?.routes.map(formatPrefix)).toEqual(["192.168.7.0/24", "fd12::/48"]);
    giveRoles(roster, "ann", "web-2", { groups: [], routes: [] });
    expect(viewOf(roster).members.get(keyOf("web-2"))).toMatchObject({ groups: [], routes: [] });
  });

  it("is that it may relay, until an admin says otherwise", () => {
    const roster = office();
    const mayRelay = (name: string): boolean | undefined => viewOf(roster).members.get(keyOf(name))?.mayRelay;
    expect([mayRelay("web"), mayRelay("db")]).toEqual([true, true]);
    giveRoles(roster, "ann", "web", { relay: false });
    giveRoles(roster, "ann", "web", { groups: ["www"] });
    replace(roster, "ben", "web", "web-2");
    expect([mayRelay("web-2"), mayRelay("db")]).toEqual([false, true]);
    giveRoles(roster, "ben", "web-2", { relay: true });
    expect(mayRelay("web-2")).toBe(true);
  });

  it("is nobody's who was never admitted", () => {
    const roster = office();
    giveRoles(roster, "ann", "eve", { groups: ["www"], routes: ["192.168.7.0/24"] });
    expect([viewOf(roster).members.size, carriedIn(roster)]).toEqual([4, {}]);
  });
});

describe("rules", () => {
  it("let everybody reach everybody until there is one, and never again by themselves", () => {
    const roster = office();
    expect([rulesIn(roster), reachesIn(roster).length]).toEqual([undefined, 12]);
    giveRoles(roster, "ann", "web", { groups: ["www"] });
    giveRoles(roster, "ann", "db", { groups: ["data"] });
    allow(roster, "ann", "www -> data");
    expect(reachesIn(roster)).toEqual(["web db"]);
    disallow(roster, "ben", "www -> data");
    expect([rulesIn(roster), reachesIn(roster)]).toEqual([[], []]);
    allow(roster, "ben", "* -> *");
    expect(reachesIn(roster)).toHaveLength(12);
  });

  it("of two admins who act at once all hold, and so do both who take one away", () => {
    const one = office();
    const other = copyOf(one);
    allow(one, "ann", "a -> b");
    allow(other, "ben", "c -> d");
    merge(one, other);
    expect(rulesIn(one)?.toSorted()).toEqual(["a -> b", "c -> d"]);
    disallow(one, "ann", "a -> b");
    disallow(other, "ben", "c -> d");
    merge(one, other);
    expect([rulesIn(one), reachesIn(one)]).toEqual([[], []]);
  });

  it("make peers of two when one of them may reach the other", () => {
    const rules = [{ from: "www", to: "data" }];
    const [www, data] = [new Reach(rules, ["www"]), new Reach(rules, ["data"])];
    expect([www.reaches(["data"]), www.meets(["data"])]).toEqual([true, true]);
    expect([data.reaches(["www"]), data.meets(["www"])]).toEqual([false, true]);
    expect([www.meets(["www"]), www.meets([]), data.meets(["other"])]).toEqual([false, false, false]);
  });

  it("are bounded: what comes after the last lets nobody reach anybody", () => {
    const roster = office();
    giveRoles(roster, "ann", "web", { groups: ["late"] });
    for (let i = 0; i < MAX_RULES; i++) allow(roster, "ann", `a${i} -> b`);
    allow(roster, "ann", "late -> *");
    expect([rulesIn(roster)?.length, reachesIn(roster)]).toEqual([MAX_RULES, []]);
  });

  it.each([
    "web",
    "web -> ",
    "-> db",
    "web -> db -> x",
    "Web -> db",
    "web -> d b",
    "",
    "web - db",
    `${"a".repeat(31)} -> db`,
  ])("are two groups: %j is none", (text) => expect(parseRule(text)).toBeUndefined());

  it.each([
    ["web->db", "web -> db"],
    ["  * ->  web-1 ", "* -> web-1"],
  ])("have one spelling: %j", (text, shown) => {
    const rule = parseRule(text);
    expect(rule && formatRule(rule)).toBe(shown);
  });
});

describe("a subnet", () => {
  it("that two were given is carried by whoever has had it for longest, until that one is gone", () => {
    const roster = office();
    giveRoles(roster, "ann", "db", { routes: ["192.168.7.0/24", "10.1.0.0/16"] });
    giveRoles(roster, "ann", "web", { routes: ["192.168.7.0/24", "192.168.7.128/25"] });
    giveRoles(roster, "ann", "db", { routes: ["192.168.7.0/24"] });
    expect(carriedIn(roster)).toEqual({ "192.168.7.0/24": "db", "192.168.7.128/25": "web" });
    expect(viewOf(roster).refusedRoutes).toEqual([
      { by: keyOf("web"), prefix: prefix("192.168.7.0/24"), because: { carrier: keyOf("db") } },
    ]);
    const removed = copyOf(roster);
    remove(removed, "ben", "db");
    // Whoever gives it away and takes it again comes last.
    giveRoles(roster, "ann", "db", { routes: [] });
    giveRoles(roster, "ann", "db", { routes: ["192.168.7.0/24"] });
    for (const one of [removed, roster]) expect(carriedIn(one)["192.168.7.0/24"]).toBe("web");
  });

  it("that two admins give two members at once has one carrier, everywhere the same", () => {
    const one = office();
    const other = copyOf(one);
    giveRoles(one, "ann", "web", { routes: ["192.168.7.0/24"] });
    giveRoles(other, "ben", "db", { routes: ["192.168.7.0/24"] });
    merge(one, other);
    expect(Object.keys(carriedIn(one))).toEqual(["192.168.7.0/24"]);
    expect(carriedIn(one)).toEqual(carriedIn(other));
  });

  it.each([
    ["0.0.0.0/0", /no member is a way out/],
    ["128.0.0.0/1", /no member is a way out/],
    ["2000::/3", /no member is a way out/],
    ["10.0.0.0/8", /addresses of the network itself \(10\.9\.0\.0\/24\)/],
    ["10.9.0.7/32", /addresses of the network itself/],
    ["fd00::/8", /addresses of the network itself/],
    ["127.0.0.0/8", /not those of another network/],
    ["169.0.0.0/8", /not those of another network/],
    ["fe80::/64", /not those of another network/],
    ["224.1.0.0/16", /not those of another network/],
  ])("%s is carried by nobody", (text, problem) => {
    const roster = office();
    giveRoles(roster, "ann", "web", { routes: [text] });
    expect(carriedIn(roster)).toEqual({});
    const [refused] = viewOf(roster).refusedRoutes;
    expect(refused?.because).toEqual({ problem: expect.stringMatching(problem) });
  });

  it("may be any other", () => {
    const overlay = [prefix("10.9.0.0/24"), prefix("fd01:2345:6789::/64")];
    for (const text of ["10.8.0.0/16", "192.168.7.9/32", "203.0.113.0/24", "2001:db8::/32", "fd02::/16"])
      expect([text, problemOf(prefix(text), overlay)]).toEqual([text, undefined]);
  });

  it("is one of so many, in a network", () => {
    const claims = new Map<string, ClaimedRoute[]>();
    for (let i = 0; i <= MAX_CARRIED; i++)
      claims.set(`${i}`, [{ prefix: prefix(`10.${i >> 8}.${i & 255}.0/24`), since: i }]);
    const { routes, refused } = carriersOf(claims, []);
    expect([routes.size, refused.map(({ by }) => by)]).toEqual([MAX_CARRIED, [`${MAX_CARRIED}`]]);
  });

  it("has one carrier at most, whoever was given what, and in whatever order they are listed", () => {
    const claim = fc.record({
      by: fc.constantFrom("a", "b", "c"),
      text: fc.constantFrom("192.168.7.0/24", "192.168.0.0/16", "10.9.0.0/25", "fd12::/48"),
    });
    fc.assert(
      fc.property(fc.uniqueArray(claim, { selector: (one) => one.by + one.text }), (all) => {
        const claims = new Map<string, ClaimedRoute[]>();
        for (const [since, { by, text }] of all.entries())
          claims.set(by, [...(claims.get(by) ?? []), { prefix: prefix(text), since }]);
        const overlay = [prefix("10.9.0.0/24")];
        const { routes, refused } = carriersOf(claims, overlay);
        const carried = [...routes.values()].flat().map(formatPrefix);
        expect(new Set(carried).size).toBe(carried.length);
        expect(carried.length + refused.length).toBe(all.length);
        const turned = carriersOf(new Map([...claims].toReversed()), overlay);
        expect(turned.routes).toEqual(routes);
      }),
    );
  });
});

describe("a statement of roles", () => {
  it("holds all that one may say", () => {
    const roster = office();
    const groups = Array.from({ length: MAX_GROUPS }, (_, i) => `${i}`.repeat(MAX_GROUP_LENGTH));
    const routes = Array.from({ length: MAX_ROUTES }, (_, i) => `2001:db8:${i}:1:1:1:1:1/128`);
    giveRoles(roster, "ann", "web", { groups, routes });
    const bytes = roster.taken.at(-1)?.bytes ?? new Uint8Array();
    expect(bytes.length).toBeLessThan(MAX_STATEMENT_BYTES);
    expect(readStatement(bytes)?.fields.groups).toEqual(groups.toSorted());
    expect(readStatement(bytes)?.fields.routes).toHaveLength(MAX_ROUTES);
    expect(viewOf(roster).members.get(keyOf("web"))?.groups).toHaveLength(MAX_GROUPS);
  });

  it("has one spelling of routes, and comes to no harm by any bytes", () => {
    const routes = ["192.168.7.0/24", "10.0.0.0/8", "fd12::/48", "10.0.0.0/8"].map(prefix);
    const bytes = writeRoutes(routes);
    expect(readRoutes(bytes)?.map(formatPrefix)).toEqual(["10.0.0.0/8", "192.168.7.0/24", "fd12::/48"]);
    const wrong: readonly (readonly number[])[] = [
      [4, 24, 192, 168, 7, 1],
      [4, 33, 192, 168, 7, 0],
      [4, 24, 192, 168, 7],
      [5, 24, 192, 168, 7, 0, 0],
      [0, 0],
      [4, 8, 10, 0, 0, 0, 4, 8, 10, 0, 0, 0],
      [4, 24, 192, 168, 7, 0, 4, 8, 10, 0, 0, 0],
      [16, 104, ...new Array(10).fill(0), 0xff, 0xff, 10, 0, 0, 0],
    ];
    for (const one of wrong) expect([one, readRoutes(Uint8Array.from(one))]).toEqual([one, undefined]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 255 }), (random) => {
        const read = readRoutes(random);
        if (read !== undefined) expect(writeRoutes(read)).toEqual(random);
      }),
    );
  });

  it("of a kind that a later version knows is passed on, and so is what comes after it", () => {
    const roster = office();
    const later = copyOf(roster);
    sayUnknown(roster, "ann");
    allow(roster, "ann", "a -> b");
    for (const { bytes } of roster.missing(later.marks())) expect(later.add(bytes)).toBe("new");
    expect(later.taken.at(-2)?.statement.kind).toBe("unknown");
    expect([rulesIn(later), viewOf(later).members.size]).toEqual([["a -> b"], 4]);
  });
});

describe("replicas with roles", () => {
  const action = fc.record({
    admin: fc.constantFrom("ann", "ben"),
    what: fc.constantFrom("groups", "routes", "allow", "disallow", "remove", "replace", "meet"),
    whom: fc.constantFrom("web", "db", "ben"),
    group: fc.constantFrom("a", "b"),
    rule: fc.constantFrom("a -> b", "b -> a", "* -> a", "a -> a"),
    routes: fc.subarray(["192.168.7.0/24", "192.168.8.0/24", "fd12::/48"]),
  });

  it("come to the same, whatever two admins do at once", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 20 }), (actions) => {
        const ofAnn = office();
        const ofBen = copyOf(ofAnn);
        for (const { admin, what, whom, group, rule, routes } of actions) {
          const own = admin === "ann" ? ofAnn : ofBen;
          if (what === "groups") giveRoles(own, admin, whom, { groups: [group] });
          if (what === "routes") giveRoles(own, admin, whom, { routes });
          if (what === "allow") allow(own, admin, rule);
          if (what === "disallow") disallow(own, admin, rule);
          if (what === "remove") remove(own, admin, whom);
          if (what === "replace") replace(own, admin, whom, `${whom}-2`);
          if (what === "meet") merge(ofAnn, ofBen);
        }
        merge(ofAnn, ofBen);
        const carried = [...viewOf(ofAnn).members.values()].flatMap(({ routes }) => routes.map(formatPrefix));
        expect(new Set(carried).size).toBe(carried.length);
        const hasAllowed = ofAnn.taken.some(({ statement }) => statement.kind === "allow");
        expect(viewOf(ofAnn).rules === undefined).toBe(!hasAllowed);
      }),
      { numRuns: 40 },
    );
  });
});

/** An admin says something of a kind that nobody here knows. */
function sayUnknown(roster: Roster, admin: string): void {
  const draft = copyOf(roster);
  remove(draft, admin, "nobody");
  const bytes = Uint8Array.from(draft.taken.at(-1)?.bytes ?? []);
  bytes[1] = STATEMENT_KINDS.length;
  const signed = Buffer.concat([Buffer.from("sidewire-mesh roster 1"), bytes.subarray(0, -SIGNATURE_BYTES)]);
  bytes.set(signerOf(admin).sign(signed), bytes.length - SIGNATURE_BYTES);
  expect(roster.add(bytes)).toBe("new");
}
