import { Roster } from "../../src/roster/roster.js";
import type { Fields } from "../../src/roster/statement.js";
import { viewOf } from "../../src/roster/view.js";
import { bytesOf, copyOf, signerOf } from "../../test/support/roster.js";

/** The name of the n-th member. */
export function nameOf(index: number): string {
  return `host-${index}`;
}

/** What an admin says of the n-th member when it admits it. */
export function fieldsOf(index: number): Fields {
  return {
    name: nameOf(index),
    address: Uint8Array.of(10, 9, (index + 1) >> 8, (index + 1) & 255),
    signer: signerOf(nameOf(index)).publicKey,
  };
}

/** A network with so many members; the first one is its admin. */
export function rosterOf(members: number): Roster {
  const admin = signerOf(nameOf(0));
  const prefix = { address: Uint8Array.of(10, 9, 0, 0), bits: 16 };
  const roster = Roster.found(admin, { name: "office", prefix }, 1);
  for (let i = 0; i < members; i++) roster.write(admin, "member", bytesOf(nameOf(i)), fieldsOf(i), 1);
  return roster;
}

/** Rosters by what they hold: the same statements are held once. */
export class RosterVersions {
  readonly #byMarks = new Map<string, Roster>();
  readonly #next = new WeakMap<Roster, Map<string, Roster>>();
  readonly #members = new WeakMap<Roster, readonly string[]>();

  copyOf(roster: Roster): Roster {
    return copyOf(roster);
  }

  /** The one that holds the same. */
  same(roster: Roster): Roster {
    const marks = roster
      .marks()
      .map(({ hash }) => Buffer.from(hash).toString("hex"))
      .join();
    const there = this.#byMarks.get(marks) ?? roster;
    this.#byMarks.set(marks, there);
    return there;
  }

  /** What becomes of a roster when statements are taken in. */
  with(roster: Roster, statements: readonly Uint8Array[]): Roster {
    const known = this.#next.get(roster) ?? new Map<string, Roster>();
    this.#next.set(roster, known);
    const key = Buffer.concat(statements).toString("base64");
    let next = known.get(key);
    if (next === undefined) {
      const copy = copyOf(roster);
      const verdicts = statements.map((bytes) => copy.add(bytes));
      next = verdicts.includes("new") ? this.same(copy) : roster;
      known.set(key, next);
    }
    return next;
  }

  /** The keys of its members. */
  members(roster: Roster): readonly string[] {
    let members = this.#members.get(roster);
    if (members === undefined) {
      members = [...viewOf(roster).members.keys()];
      this.#members.set(roster, members);
    }
    return members;
  }
}
