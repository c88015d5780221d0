import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_ADMINS, Roster } from "../../src/roster/roster.js";
import { isGenuine, MAX_STATEMENT_BYTES, readStatement } from "../../src/roster/statement.js";
import { viewOf } from "../../src/roster/view.js";
import { formatKey } from "../../src/wireguard-key.js";
import {
  adminsIn,
  admit,
  bytesOf,
  copyOf,
  demote,
  foundedBy,
  give,
  keyOf,
  namesIn,
  promote,
  remove,
  shown,
  signerOf,
} from "../support/roster.js";

const ADMINS = ["ann", "ben", "cat"] as const;

/** A network with three admins, of which ann is the founder. */
function threeAdmins(): Roster {
  const roster = foundedBy("ann");
  admit(roster, "ann", "ben", 2);
  admit(roster, "ann", "cat", 3);
  promote(roster, "ann", "ben");
  promote(roster, "ben", "cat");
  return roster;
}

describe("a roster", () => {
  it("says who is a member, by which name and addresses", () => {
    const roster = foundedBy("ann");
    admit(roster, "ann", "web", 2);
    const web = viewOf(roster).members.get(keyOf("web"));
    expect(web).toMatchObject({ name: "web", isAdmin: false });
    expect(web?.addresses[0]).toEqual(Uint8Array.of(10, 9, 0, 2));
    expect(web?.addresses[1]?.[0]).toBe(0xfd);
    expect(viewOf(roster).members.get(keyOf("ann"))?.isAdmin).toBe(true);
  });

  it("takes nothing from whoever is no admin, nor of another network, nor forged", () => {
    const roster = foundedBy("ann");
    const stranger = copyOf(roster);
    expect(roster.write(signerOf("eve"), "member", bytesOf("eve"), { name: "eve" }, 1)).toBeUndefined();
    const other = foundedBy("zoe");
    for (const { bytes } of other.taken) expect(roster.add(bytes)).toBe("refused");
    admit(roster, "ann", "web", 2);
    const bytes = Uint8Array.from(roster.taken.at(-1)?.bytes ?? []);
    for (let i = 0; i < bytes.length; i += 7) {
      const forged = Uint8Array.from(bytes);
      forged[i] = (forged[i] ?? 0) ^ 1;
      expect(["refused", "gap", "forged"]).toContain(stranger.add(forged));
    }
    expect(stranger.add(bytes)).toBe("new");
    expect(stranger.add(bytes)).toBe("known");
  });

  it("looks at one forged statement of a message, whatever stands behind it", () => {
    const roster = foundedBy("ann");
    const stranger = copyOf(roster);
    admit(roster, "ann", "web", 2);
    const genuine = roster.taken.at(-1)?.bytes ?? new Uint8Array();
    const forged = Uint8Array.from(genuine);
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    expect([...stranger.addAll([forged, genuine])]).toEqual(["forged"]);
    expect([...stranger.addAll([genuine, genuine])]).toEqual(["new", "known"]);
    // What cannot be read costs no look: a later version may say more.
    admit(roster, "ann", "db", 3);
    const next = roster.taken.at(-1)?.bytes ?? new Uint8Array();
    expect([...stranger.addAll([Uint8Array.of(9), next])]).toEqual(["refused", "new"]);
  });

  it("keeps a removal for good, whatever is said of the key later", () => {
    const roster = foundedBy("ann");
    admit(roster, "ann", "web", 2);
    remove(roster, "ann", "web");
    admit(roster, "ann", "web", 2);
    expect(namesIn(roster)).toEqual(["ann"]);
    expect(viewOf(roster).removed.has(keyOf("web"))).toBe(true);
  });

  it("gives the name and the address of a removed member to a later one", () => {
    const roster = foundedBy("ann");
    admit(roster, "ann", "web", 2);
    remove(roster, "ann", "web");
    admit(roster, "ann", "web with a new key", 2, "web");
    expect(namesIn(roster)).toEqual(["ann", "web"]);
    const [, web] = [...viewOf(roster).members.values()];
    expect(web?.addresses[0]).toEqual(Uint8Array.of(10, 9, 0, 2));
  });

  it("gives two that got one name and one address at the same time different ones, everywhere the same", () => {
    const one = threeAdmins();
    const other = copyOf(one);
    admit(one, "ann", "x", 9, "web");
    admit(other, "ben", "y", 9, "web");
    give(one, other);
    give(other, one);
    expect(shown(one)).toEqual(shown(other));
    const members = [...viewOf(one).members.values()].slice(-2);
    expect(new Set(members.map(({ name }) => name)).size).toBe(2);
    expect(new Set(members.map(({ addresses }) => String(addresses[0]))).size).toBe(2);
    expect(members.filter(({ name }) => name === "web")).toHaveLength(1);
    // The other one keeps what it got when the first is removed.
    const second = members.find(({ name }) => name !== "web");
    remove(one, "ann", members.find(({ name }) => name === "web")?.publicKey === keyOf("x") ? "x" : "y");
    expect(viewOf(one).members.get(second?.publicKey ?? "")?.name).toBe(second?.name);
  });

  it("refuses a fork, and knows where it began", () => {
    const roster = foundedBy("ann");
    const backup = copyOf(roster);
    admit(roster, "ann", "web", 2);
    admit(roster, "ann", "db", 3);
    admit(backup, "ann", "eve", 2);
    const eve = backup.taken.at(-1);
    expect(roster.add(eve?.bytes ?? new Uint8Array())).toBe("fork");
    expect([...roster.forks.values()]).toEqual([3]);
    expect(namesIn(roster)).toEqual(["ann", "db", "web"]);
    // Both sides learn of it, as each sends what contradicts the other.
    const marks = backup.marks();
    for (const { bytes } of roster.missing(marks)) backup.add(bytes);
    expect([...backup.forks.values()]).toEqual([3]);
  });

  it("is not rolled back by a roster that knows less", () => {
    const roster = threeAdmins();
    const old = copyOf(roster);
    remove(roster, "ann", "cat");
    const before = shown(roster);
    give(old, roster);
    expect(shown(roster)).toEqual(before);
    expect(roster.isBehind(old.marks())).toBe(false);
    expect(old.isBehind(roster.marks())).toBe(true);
  });
});

describe("admins", () => {
  it("can be replaced, and the first one's later words count for nothing", () => {
    const roster = foundedBy("ann");
    admit(roster, "ann", "ben", 2);
    promote(roster, "ann", "ben");
    const thief = copyOf(roster);
    demote(roster, "ben", "ann");
    admit(thief, "ann", "eve", 3);
    give(thief, roster);
    expect(adminsIn(roster, ADMINS)).toEqual(["ben"]);
    expect(namesIn(roster)).toEqual(["ann", "ben"]);
    // Those whom the thief makes admins are none, either.
    promote(thief, "ann", "eve");
    give(thief, roster);
    roster.write(signerOf("eve"), "remove", bytesOf("ben"), {}, 1);
    expect(namesIn(roster)).toEqual(["ann", "ben"]);
  });

  it("that remove each other leave the first of them, everywhere", () => {
    const one = threeAdmins();
    const other = copyOf(one);
    demote(one, "ann", "ben");
    demote(other, "ben", "ann");
    give(one, other);
    give(other, one);
    expect(adminsIn(one, ADMINS)).toEqual(adminsIn(other, ADMINS));
    expect(adminsIn(one, ADMINS)).toContain("ann");
    expect(adminsIn(one, ADMINS)).not.toContain("ben");
  });

  it("never go out altogether", () => {
    const roster = foundedBy("ann");
    demote(roster, "ann", "ann");
    expect(adminsIn(roster, ADMINS)).toEqual(["ann"]);
    admit(roster, "ann", "ben", 2);
    promote(roster, "ann", "ben");
    const other = copyOf(roster);
    demote(roster, "ann", "ann", 99);
    demote(other, "ben", "ben", 99);
    give(other, roster);
    expect(adminsIn(roster, ADMINS)).toHaveLength(1);
  });

  it("are bounded in number", () => {
    const roster = foundedBy("ann");
    for (let i = 1; i < MAX_ADMINS; i++) promote(roster, "ann", `admin ${i}`);
    expect(() => promote(roster, "ann", "one more")).toThrow();
  });
});

/** What one of the admins does on its own replica. */
const action = fc.record({
  admin: fc.constantFrom(...ADMINS),
  what: fc.constantFrom("admit", "remove", "rename", "promote", "demote", "give"),
  whom: fc.constantFrom("ann", "ben", "cat", "d", "e", "f", "g"),
  name: fc.constantFrom("web", "db", "x"),
  address: fc.integer({ min: 1, max: 4 }),
});

describe("replicas", () => {
  it("come to the same, in whatever order statements reach them, and lose no removal", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 25 }),
        fc.array(fc.nat(), { minLength: 40, maxLength: 40 }),
        (actions, order) => {
          const start = threeAdmins();
          const replicas = new Map(ADMINS.map((name) => [name, copyOf(start)]));
          for (const { admin, what, whom, name, address } of actions) {
            const own = replicas.get(admin) ?? start;
            if (what === "admit") admit(own, admin, whom, address, name);
            if (what === "rename") admit(own, admin, whom, address, name);
            if (what === "remove") remove(own, admin, whom);
            if (what === "promote") promote(own, admin, whom);
            if (what === "demote") demote(own, admin, whom);
            if (what === "give")
              for (const other of ADMINS) if (other !== admin) give(own, replicas.get(other) ?? start);
          }
          const all = new Set([...replicas.values()].flatMap(({ taken }) => taken));
          // Statements come one by one, in any order, each again and again until all are there.
          const late = copyOf(start);
          const queue = [...all];
          for (let round = 0; round < 30 && queue.length > 0; round++)
            for (let i = 0; i < queue.length; i++) {
              const at = (order[(i + round) % order.length] ?? 0) % queue.length;
              late.add(queue[at]?.bytes ?? new Uint8Array());
            }
          for (const from of replicas.values()) give(from, late);
          for (let i = 0; i < 3; i++)
            for (const from of replicas.values()) for (const to of replicas.values()) give(from, to);
          const views = [...replicas.values(), late].map(shown);
          for (const view of views) expect(view).toEqual(views[0]);
          const final = viewOf(late);
          expect(final.admins.size).toBeGreaterThan(0);
          // A removal by whoever was never removed as an admin stands.
          const demoted = new Set(
            late.taken
              .filter(({ statement }) => statement.kind === "remove-admin")
              .map(({ subject }) => subject),
          );
          for (const { statement, subject, admin } of late.taken)
            if (statement.kind === "remove" && !demoted.has(admin))
              expect(final.members.has(subject)).toBe(false);
          const members = [...final.members.values()];
          expect(new Set(members.map(({ name }) => name)).size).toBe(members.length);
          const addresses = members.flatMap(({ addresses }) => addresses.map(String));
          expect(new Set(addresses).size).toBe(addresses.length);
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a statement", () => {
  it("is read from no other bytes than those that were written, without harm", () => {
    const roster = threeAdmins();
    remove(roster, "ann", "cat");
    demote(roster, "ann", "ben");
    const valid = roster.taken.map(({ bytes }) => bytes);
    for (const bytes of valid) expect(readStatement(bytes)).toBeDefined();
    for (const bytes of valid) expect(bytes.length).toBeLessThan(MAX_STATEMENT_BYTES);
    fc.assert(
      fc.property(
        fc.constantFrom(...valid),
        fc.nat(400),
        fc.nat(255),
        fc.nat(400),
        (bytes, at, value, length) => {
          const mutated = Uint8Array.from(bytes);
          mutated[at % mutated.length] = value;
          const cut = mutated.subarray(0, length);
          for (const one of [mutated, cut]) {
            const isSame = one.length === bytes.length && Buffer.compare(one, bytes) === 0;
            if (readStatement(one) !== undefined) expect(isGenuine(one)).toBe(isSame);
          }
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 1000 }), (bytes) => readStatement(bytes) === undefined));
  });

  it("founds a network only by a founding statement", () => {
    const roster = threeAdmins();
    for (const { bytes } of roster.taken.slice(1)) expect(Roster.from(bytes)).toBeUndefined();
    expect(formatKey(Roster.from(roster.founding.bytes)?.network ?? new Uint8Array())).toBe(
      formatKey(roster.network),
    );
  });
});
