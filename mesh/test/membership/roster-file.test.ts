import { existsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RosterFile } from "../../src/membership/roster-file.js";
import { foundedBy, namesIn } from "../support/roster.js";
import { temporaryFolder } from "../support/temporary-folder.js";

it("keeps the roster, the own key and invitations, for its owner alone", async () => {
  const folder = temporaryFolder();
  const file = await RosterFile.open(folder, "wg0");
  file.roster = foundedBy("ann");
  const invite = {
    secret: Buffer.alloc(16).toString("base64"),
    expires: 9,
    uses: 2,
    approve: true,
    joined: [],
  };
  file.invites = [invite];
  await file.save();
  const again = await RosterFile.open(folder, "wg0");
  expect(again.roster && namesIn(again.roster)).toEqual(["ann"]);
  expect([again.invites, again.trouble]).toEqual([[invite], undefined]);
  expect(Buffer.compare(again.key.publicKey, file.key.publicKey)).toBe(0);
  expect(statSync(join(folder, "wg0.roster")).mode & 0o777).toBe(0o600);
});

it.each([
  "{",
  "[]",
  '{"version":2}',
  "\0\0\0",
  '{"version":1,"seed":"x","statements":["AAAA"],"invites":[],"waiting":[]}',
])("sets a file aside that is damaged: %j", async (text) => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "wg0.roster"), text);
  const file = await RosterFile.open(folder, "wg0");
  expect(file.roster).toBeUndefined();
  expect(file.trouble).toMatch(/is damaged .*moved to/);
  expect([existsSync(join(folder, "wg0.roster")), existsSync(join(folder, "wg0.roster.damaged"))]).toEqual([
    false,
    true,
  ]);
});
