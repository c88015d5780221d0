import { expect, it } from "vitest";
import { Sync, type SyncMeans, type Way } from "../../src/membership/sync.js";
import { readSyncMessage, writeSummary } from "../../src/membership/sync-message.js";
import type { Roster } from "../../src/roster/roster.js";
import { admit, copyOf, foundedBy, keyOf, promote } from "../support/roster.js";

/** What a host with a roster tells the members web and db. */
function hostWith(roster: Roster, hasPaths = true, now = () => performance.now()) {
  const told: { readonly name: string; readonly way: Way; readonly bytes: Uint8Array }[] = [];
  const taken: Uint8Array[] = [];
  const means: SyncMeans = {
    now,
    random: Math.random,
    roster: () => roster,
    others: () => [keyOf("web"), keyOf("db")],
    tellOnPath: (name, bytes) =>
      hasPaths ? Promise.resolve(told.push({ name, way: "path", bytes }) > 0) : undefined,
    tellOverBrokers: async (name, bytes) => told.push({ name, way: "brokers", bytes }) > 0,
    take: (_, statements) => void taken.push(...statements),
    onSummary: () => {},
    onLevel: () => {},
    onForeign: () => {},
  };
  return { sync: new Sync(means), told, taken, means };
}

/** What a host with another roster, or none, says in its hash. */
const hashOf = (roster: Roster): Uint8Array =>
  hostWith(roster).sync.hash ?? expect.fail("there is no roster");

function large(members: number): Roster {
  const roster = foundedBy("ann");
  for (let i = 0; i < members; i++) admit(roster, "ann", `member-${i}`, 2);
  return roster;
}

it("sends the whole roster to who lacks it, and not again and again to who says so for ever", async () => {
  const roster = large(300);
  const { sync, told } = hostWith(roster);
  const nothing = writeSummary(roster.network, [], false);
  sync.hear(keyOf("web"), nothing, "path");
  await new Promise(setImmediate);
  const copy = copyOf(foundedBy("ann"));
  for (const { bytes } of told.splice(0)) {
    const message = readSyncMessage(bytes);
    if (message?.type === "statements") copy.addAll(message.statements);
  }
  expect(copy.size).toBe(roster.size);
  const before = performance.now();
  for (let i = 0; i < 1000; i++) sync.hear(keyOf("web"), nothing, "path");
  await new Promise(setImmediate);
  const passed = (performance.now() - before) / 1000;
  expect(told.length).toBeGreaterThan(100);
  expect(told.length).toBeLessThan(130 + passed);
  // Another one gets what it needs all the same.
  told.length = 0;
  sync.hear(keyOf("db"), nothing, "brokers");
  await new Promise(setImmediate);
  expect(told.map(({ name }) => name)).toContain(keyOf("db"));
});

it("sends nothing to who is no member, nor for numbers that nobody has said", async () => {
  const roster = large(20);
  const { sync, told } = hostWith(roster);
  sync.hear(keyOf("eve"), writeSummary(roster.network, [], true), "path");
  await new Promise(setImmediate);
  expect(told).toEqual([]);
  const [mark] = roster.marks();
  if (mark === undefined) throw new Error("there is no admin");
  // Far ahead of everything: it is asked for what it knows, once for each time.
  sync.hear(keyOf("web"), writeSummary(roster.network, [{ ...mark, counter: 0xffff_ffff }], false), "path");
  await new Promise(setImmediate);
  expect(told.map(({ bytes }) => readSyncMessage(bytes)?.type)).toEqual(["summary"]);
});

it("tells every member what it says itself once by each way that there is", async () => {
  for (const hasPaths of [true, false]) {
    const roster = foundedBy("ann");
    const { sync, told } = hostWith(roster, hasPaths);
    sync.push([roster.founding]);
    await new Promise(setImmediate);
    const ways = hasPaths ? ["brokers", "path"] : ["brokers"];
    for (const name of ["web", "db"])
      expect(
        told
          .filter((one) => one.name === keyOf(name))
          .map(({ way }) => way)
          .toSorted(),
      ).toEqual(ways);
  }
});

it("has the same hash as a host that knows the same, in whatever order it learned it, and else another one", () => {
  const roster = foundedBy("ann");
  admit(roster, "ann", "ben", 2);
  promote(roster, "ann", "ben");
  admit(roster, "ben", "web", 3);
  admit(roster, "ann", "db", 4);
  const copy = copyOf(foundedBy("ann"));
  const backwards = roster.entries().toReversed();
  for (let i = 0; copy.size < roster.size; i++) {
    expect(i).toBeLessThan(10);
    for (const { bytes } of backwards) copy.add(bytes);
  }
  expect(hashOf(copy)).toEqual(hashOf(roster));
  expect(hashOf(roster)).toHaveLength(32);
  expect(hashOf(large(21))).not.toEqual(hashOf(roster));
  expect(hashOf(foundedBy("ben"))).not.toEqual(hashOf(foundedBy("ann")));
});

it("asks who has another hash, twice at once and then once a minute, and nobody who has the same", async () => {
  const roster = large(5);
  let now = 0;
  const { sync, told } = hostWith(roster, true, () => now);
  const asked = async (name: string, hash: Uint8Array): Promise<number> => {
    told.length = 0;
    for (let i = 0; i < 100; i++) sync.hearHash(keyOf(name), hash);
    await new Promise(setImmediate);
    for (const one of told) {
      expect(one).toMatchObject({ name: keyOf(name), way: "path" });
      expect(readSyncMessage(one.bytes)).toMatchObject({ type: "summary", wantsAnswer: true });
    }
    return told.length;
  };
  const other = hashOf(large(6));
  expect(await asked("web", hashOf(roster))).toBe(0);
  expect(await asked("web", other)).toBe(2);
  expect(await asked("db", other), "each peer has its own").toBe(2);
  now = 59_000;
  expect(await asked("web", other)).toBe(0);
  now = 61_000;
  expect(await asked("web", other)).toBe(1);
});

it("says nothing of hashes where there is no network", async () => {
  const { told, means } = hostWith(large(1));
  const sync = new Sync({ ...means, roster: () => undefined });
  expect(sync.hash).toBeUndefined();
  sync.hearHash(keyOf("web"), new Uint8Array(32));
  await new Promise(setImmediate);
  expect(told).toEqual([]);
});
