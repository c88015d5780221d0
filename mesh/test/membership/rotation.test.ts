import { afterEach, expect, it } from "vitest";
import { KeyExchange } from "../../src/membership/key-exchange.js";
import { KeyFile } from "../../src/membership/key-file.js";
import { Place } from "../../src/membership/place.js";
import { RosterFile } from "../../src/membership/roster-file.js";
import type { RotateAnswer } from "../../src/membership/rotate-message.js";
import { Rotation } from "../../src/membership/rotation.js";
import { viewOf } from "../../src/roster/view.js";
import { formatKey, publicKeyOf } from "../../src/wireguard-key.js";
import { admit, bytesOf, foundedBy, keyOf, remove, signerOf } from "../support/roster.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const open: Rotation[] = [];
afterEach(() => {
  for (const rotation of open.splice(0)) rotation.close();
});

/** The host of web, a member of the network of ann, with db; of which nothing is asked but what a test answers. */
async function hostOfWeb({ isKept = true } = {}) {
  const folder = temporaryFolder();
  const file = await RosterFile.open(folder, "wg0");
  Object.assign(file, { key: signerOf("web") });
  const roster = foundedBy("ann");
  admit(roster, "ann", "db", 2);
  file.roster = roster;
  const keyFile = new KeyFile(folder, "wg0");
  const first = isKept ? await keyFile.readOrMake() : bytesOf("by hand");
  let own = first;
  const fields = { name: "web", address: Uint8Array.of(10, 9, 0, 3), signer: signerOf("web").publicKey };
  roster.write(signerOf("ann"), "member", publicKeyOf(own), fields, 1);
  const place = new Place({
    ...{ interface: "wg0", file, brokers: undefined, getTime: () => 1 },
    keys: () => ({ privateKey: own, publicKey: publicKeyOf(own) }),
    addresses: async () => [],
    onWarning: () => {},
  });
  place.view = viewOf(roster);
  const asked: string[] = [];
  let hear: (name: string, bytes: Uint8Array) => void = () => {};
  let onAsked = (): void => {};
  let turn: Promise<unknown> = Promise.resolve();
  const begin = (): Rotation => {
    const rotation = new Rotation({
      ...{ place, keyFile, exchange: new KeyExchange(place, async () => {}) },
      inTurn: async (work) => {
        const done = turn.then(work);
        turn = done.catch(() => {});
        return await done;
      },
      tell: (name) => {
        asked.push(name);
        onAsked();
      },
      openNext: (_, onHeard) => {
        hear = onHeard;
        return { post: () => {}, close: async () => {} };
      },
      hear: () => {},
      setKey: async (privateKey) => {
        own = privateKey;
      },
      onChanged: () => {
        place.view = viewOf(roster);
      },
      onError: (error) => expect.unreachable(String(error)),
    });
    open.push(rotation);
    return rotation;
  };
  /** Resolves when an admin is asked. */
  const isAsked = async (): Promise<void> =>
    await new Promise((resolve) => {
      onAsked = resolve;
    });
  const answer = async (rotation: Rotation, from: string, what: RotateAnswer): Promise<void> => {
    const next = publicKeyOf((await keyFile.readNext()) ?? new Uint8Array(32));
    rotation.hearAnswer(keyOf(from), { type: "answer", network: roster.network, next, answer: what });
  };
  /** The admin gives web the key that it wants. */
  const give = async (): Promise<string> => {
    const next = publicKeyOf((await keyFile.readNext()) ?? new Uint8Array(32));
    const replaces = publicKeyOf(first);
    roster.write(signerOf("ann"), "member", next, { ...fields, replaces }, 1);
    return formatKey(next);
  };
  const now = (): string => formatKey(publicKeyOf(own));
  return {
    ...{ keyFile, roster, place, asked, begin, isAsked, answer, give, now },
    hearNext: (name: string, bytes: Uint8Array) => hear(name, bytes),
  };
}

it("asks the admin alone, and changes the key when the roster has it, and not before", async () => {
  const host = await hostOfWeb();
  const rotation = host.begin();
  const before = host.now();
  const isAsked = host.isAsked();
  const both = Promise.all([rotation.rotate(), rotation.rotate()]);
  await isAsked;
  expect([...new Set(host.asked)]).toEqual([keyOf("ann")]);
  // An answer is only a word: what counts is what the admin has signed.
  await host.answer(rotation, "ann", "done");
  await rotation.settle();
  expect(host.now()).toBe(before);
  const key = await host.give();
  await rotation.settle();
  expect(host.now()).toBe(key);
  for (const reply of await both)
    expect(reply).toEqual({ did: "done", text: expect.stringContaining(`web has a new key: ${key}`) });
  expect(await host.keyFile.readNext()).toBeUndefined();
  expect(formatKey(publicKeyOf((await host.keyFile.read()) ?? new Uint8Array(32)))).toBe(key);
});

it("believes a refusal of an admin alone, says it, and asks for the same key again", async () => {
  const host = await hostOfWeb();
  const rotation = host.begin();
  const isAsked = host.isAsked();
  const first = rotation.rotate();
  await isAsked;
  const next = await host.keyFile.readNext();
  await host.answer(rotation, "db", "removed");
  await host.answer(rotation, "stranger", "removed");
  rotation.hearAnswer(keyOf("ann"), {
    ...{ type: "answer", network: host.roster.network, next: bytesOf("other"), answer: "removed" },
  });
  await host.answer(rotation, "ann", "too-many");
  await expect(first).rejects.toMatchObject({
    ...{ code: "REFUSED", message: expect.stringMatching(/had as many keys as office remembers/) },
  });
  const isAskedAgain = host.isAsked();
  const second = rotation.rotate();
  await isAskedAgain;
  expect(await host.keyFile.readNext()).toEqual(next);
  const key = await host.give();
  await rotation.settle();
  expect([await second, host.now()]).toEqual([expect.objectContaining({ did: "done" }), key]);
});

it("goes on after a start, wherever the last one was killed", async () => {
  // Before the answer.
  const asking = await hostOfWeb();
  await asking.keyFile.readOrMakeNext();
  const isAsked = asking.isAsked();
  await asking.begin().start();
  await isAsked;
  // After the answer, before the key was written.
  const answered = await hostOfWeb();
  await answered.keyFile.readOrMakeNext();
  const key = await answered.give();
  await answered.begin().start();
  expect(answered.now()).toBe(key);
  // After it was written.
  const written = await hostOfWeb();
  const own = await written.keyFile.readOrMakeNext();
  await written.give();
  await written.keyFile.put(own);
  const place = written.place.means;
  Object.assign(place, { keys: () => ({ privateKey: own, publicKey: publicKeyOf(own) }) });
  await written.begin().start();
  expect([await written.keyFile.readNext(), await written.keyFile.read()]).toEqual([undefined, own]);
});

it("changes no key that join has not made, and none of a member that was removed", async () => {
  const byHand = await hostOfWeb({ isKept: false });
  await expect(byHand.begin().rotate()).rejects.toMatchObject({
    ...{ code: "INVALID_OPTION", message: expect.stringMatching(/let another admin remove web, and join/) },
  });
  expect(await byHand.keyFile.readNext()).toBeUndefined();
  const removed = await hostOfWeb();
  removed.roster.write(
    signerOf("ann"),
    "remove",
    removed.place.means.keys()?.publicKey ?? bytesOf(""),
    {},
    1,
  );
  removed.place.view = viewOf(removed.roster);
  await expect(removed.begin().rotate()).rejects.toMatchObject({
    ...{ code: "REFUSED", message: expect.stringMatching(/was removed from office/) },
  });
});

it("of an admin's own waits until another member speaks to it", async () => {
  const host = await hostOfWeb();
  host.roster.write(signerOf("ann"), "admin", signerOf("web").publicKey, {}, 1);
  remove(host.roster, "ann", "nobody");
  host.place.view = viewOf(host.roster);
  const before = host.now();
  const next = await host.keyFile.readOrMakeNext();
  const rotation = host.begin();
  await rotation.start();
  await expect.poll(() => viewOf(host.roster).members.has(formatKey(publicKeyOf(next)))).toBe(true);
  await rotation.settle();
  expect(host.now()).toBe(before);
  host.hearNext(keyOf("db"), Uint8Array.of(1));
  await rotation.settle();
  expect(host.now()).toBe(formatKey(publicKeyOf(next)));
});
