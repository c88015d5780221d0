import { expect, it } from "vitest";
import type { Candidate } from "../../src/candidates/candidate.js";
import { decodeAnnounce } from "../../src/signal/announce.js";
import { type Accepted, Announcer } from "../../src/signal/announcer.js";
import { StateFile } from "../../src/state-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = (port: number): Candidate[] => [
  { kind: "reflexive", endpoint: { address: "198.51.100.7", family: 4, port }, ageS: 0 },
];

/** A host, with a file of its own. */
async function host(wallNow = 1_000_000): Promise<{ state: StateFile; announcer: Announcer }> {
  const state = await StateFile.open(temporaryFolder(), "wg0", wallNow, () => {});
  return { state, announcer: new Announcer(state) };
}

/** What was accepted; undefined for all else. */
function news(heard: Accepted | "older" | undefined): Accepted | undefined {
  return heard === "older" ? undefined : heard;
}

it("accepts each announce once, and none that is older than the last", async () => {
  const [ann, ben] = [await host(), await host()];
  const [first, second, third] = [1, 2, 3].map((port) => ann.announcer.write("ben", "stable", at(port)));
  const accept = (bytes: Uint8Array | undefined): boolean =>
    ben.announcer.accept("ann", bytes ?? new Uint8Array(), 0, 0) !== undefined;
  expect([accept(first), accept(first), accept(third), accept(second), accept(third)]).toEqual([
    true,
    false,
    true,
    false,
    false,
  ]);
  expect(ben.state.peers.get("ann")?.candidates).toMatchObject([{ endpoint: { port: 3 } }]);
});

it("accepts none of an earlier start, and all of a later one", async () => {
  const ben = await host();
  const [before, after] = [await host(1000), await host(2000)];
  const late = before.announcer.write("ben", "stable", at(1));
  expect(ben.announcer.accept("ann", after.announcer.write("ben", "stable", at(2)), 0, 0)).toBeDefined();
  expect(ben.announcer.accept("ann", late, 0, 0)).toBe("older");
});

it("takes nothing but announces", async () => {
  const { announcer } = await host();
  for (const bytes of [new Uint8Array(), new Uint8Array(512), new Uint8Array(1200).fill(1)])
    expect(announcer.accept("ann", bytes, 0, 0)).toBeUndefined();
});

it("wants an answer until the peer knows what is announced now, and then no more", async () => {
  const [ann, ben] = [await host(), await host()];
  // Both have said something that nobody has heard.
  const hello = ann.announcer.write("ben", "stable", at(1));
  ben.announcer.write("ann", "stable", at(2));
  expect(news(ben.announcer.accept("ann", hello, 0, 0))?.wantsAnswer).toBe(true);
  // The answer says that ann was heard: she does not answer it.
  const answer = ben.announcer.write("ann", "stable", at(2));
  expect(news(ann.announcer.accept("ben", answer, 0, 0))?.wantsAnswer).toBe(false);
  // What is said again changes nothing; what has changed is told once more.
  const again = ben.announcer.write("ann", "stable", at(2));
  expect(news(ann.announcer.accept("ben", again, 0, 0))?.wantsAnswer).toBe(false);
  ann.announcer.changed();
  const later = ben.announcer.write("ann", "stable", at(2));
  expect(news(ann.announcer.accept("ben", later, 0, 0))?.wantsAnswer).toBe(true);
});

it("is believed after its file was lost and its clock went back, since the peer says what it has seen", async () => {
  const [old, lost, ben] = [await host(5_000_000), await host(1000), await host()];
  ben.announcer.accept("ann", old.announcer.write("ben", "stable", at(1)), 0, 0);
  expect(ben.announcer.accept("ann", lost.announcer.write("ben", "stable", at(2)), 0, 0)).toBe("older");
  // What ben then says tells of the number that has to be passed.
  const heard = news(lost.announcer.accept("ben", ben.announcer.write("ann", "stable", at(3)), 0, 0));
  expect(heard?.announce.seenBoot).toBe(old.state.boot);
  await lost.state.passBoot(heard?.announce.seenBoot ?? 0n);
  expect(ben.announcer.accept("ann", lost.announcer.write("ben", "stable", at(2)), 0, 0)).toBeDefined();
});

it("has an earlier start answered once in 20 s, however often it is repeated", async () => {
  const ben = await host();
  const [before, after] = [await host(1000), await host(2000)];
  const late = before.announcer.write("ben", "stable", at(1));
  ben.announcer.accept("ann", after.announcer.write("ben", "stable", at(2)), 0, 0);
  let answered = 0;
  for (let now = 0; now < 60_000; now += 100)
    if (ben.announcer.accept("ann", late, 0, now) === "older") answered++;
  expect(answered).toBe(3);
  expect(ben.state.peers.get("ann")?.boot).toBe(after.state.boot);
});

it("writes 512 or 1200 bytes, whatever is in it", async () => {
  const { announcer } = await host();
  const many = Array.from({ length: 40 }, (_, i) => at(1000 + i)).flat();
  expect(announcer.write("ben", "stable", []).length).toBe(512);
  const long = announcer.write("ben", "stable", many);
  expect([512, 1200]).toContain(long.length);
  expect(decodeAnnounce(long)?.candidates.length).toBe(16);
});

it("accepts 20 a minute of one peer that says something new all the time, and of others what they say", async () => {
  const [ann, cyd, ben] = [await host(), await host(), await host()];
  let accepted = 0;
  for (let now = 0; now < 60_000; now += 10)
    if (ben.announcer.accept("ann", ann.announcer.write("ben", "stable", at(1)), 0, now) !== undefined)
      accepted++;
  // What it may say at once, and what comes after that.
  expect(accepted).toBeGreaterThanOrEqual(39);
  expect(accepted).toBeLessThanOrEqual(40);
  expect(ben.announcer.accept("cyd", cyd.announcer.write("ben", "stable", at(2)), 0, 60_000)).toBeDefined();
  // It is heard again when it has calmed down.
  expect(ben.announcer.accept("ann", ann.announcer.write("ben", "stable", at(1)), 0, 65_000)).toBeDefined();
});

it("tells a second host of the own key from a start whose file was lost, and leaves the later one alone", async () => {
  const [first, second, ben] = [await host(1000), await host(2000), await host()];
  const tell = (from: Announcer) => ben.announcer.accept("ann", from.write("ben", "stable", at(1)), 0, 0);
  const answer = (to: Announcer) => to.accept("ben", ben.announcer.write("ann", "stable", at(2)), 0, 0);
  expect(tell(first.announcer)).toBeDefined();
  expect(answer(first.announcer)).toMatchObject({ knowsAnother: false });
  expect(tell(second.announcer)).toBeDefined();
  expect(answer(first.announcer)).toMatchObject({ knowsAnother: true, wantsAnswer: false });
  expect(answer(second.announcer)).toMatchObject({ knowsAnother: false });
});
