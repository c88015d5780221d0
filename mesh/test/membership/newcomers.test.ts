import { expect, it } from "vitest";
import type { JoinAnswer } from "../../src/membership/join-message.js";
import { Newcomers } from "../../src/membership/newcomers.js";
import { Place } from "../../src/membership/place.js";
import { RosterFile } from "../../src/membership/roster-file.js";
import { viewOf } from "../../src/roster/view.js";
import { bytesOf, foundedBy, keyOf, namesIn, remove, replace, signerOf } from "../support/roster.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SECRET = Buffer.alloc(16).toString("base64");

/** The host of ann, the founder, with one invitation for five. */
async function hostOfAnn() {
  const file = await RosterFile.open(temporaryFolder(), "wg0");
  Object.assign(file, { key: signerOf("ann") });
  const roster = foundedBy("ann");
  file.roster = roster;
  file.invites = [{ secret: SECRET, expires: 9, uses: 5, approve: false, joined: [] }];
  const place = new Place({
    ...{ interface: "wg0", file, brokers: undefined, getTime: () => 1 },
    keys: () => undefined,
    addresses: async () => [],
    onWarning: () => {},
  });
  const look = async (): Promise<void> => {
    place.view = viewOf(roster);
  };
  await look();
  const newcomers = new Newcomers(place, look);
  const asks = async (name: string): Promise<JoinAnswer> =>
    await newcomers.admit(SECRET, bytesOf(name), {
      ...{ name, isNameFixed: false, signer: signerOf(name).publicKey },
    });
  return { roster, look, asks };
}

it("lets nobody in again by the invitation of somebody who was removed", async () => {
  const { roster, look, asks } = await hostOfAnn();
  expect([await asks("web"), await asks("eve"), await asks("web")]).toEqual(["member", "member", "member"]);
  remove(roster, "ann", "eve");
  await look();
  expect([await asks("eve"), await asks("new-key-of-eve")]).toEqual(["removed", "used"]);
  // Who is a member is told so, if it has lost the answer.
  expect(await asks("web")).toBe("member");
  expect(namesIn(roster)).toEqual(["ann", "web"]);
});

it("goes on with an invitation by which somebody came who has a new key since", async () => {
  const { roster, look, asks } = await hostOfAnn();
  await asks("web");
  replace(roster, "ann", "web", "web-2");
  await look();
  expect(await asks("db")).toBe("member");
  expect(viewOf(roster).members.has(keyOf("db"))).toBe(true);
  remove(roster, "ann", "web-2");
  await look();
  expect(await asks("new-key-of-web")).toBe("used");
});
