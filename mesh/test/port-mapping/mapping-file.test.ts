import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type KeptMapping, MappingFile } from "../../src/port-mapping/mapping-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const mapping = (more: Partial<KeptMapping> = {}): KeptMapping => ({
  protocol: "pcp",
  family: 4,
  gateway: "192.168.1.1",
  own: "192.168.1.2",
  internalPort: 51_820,
  externalPort: 4444,
  nonce: "00".repeat(12),
  isPermanent: false,
  endsAt: 1000,
  ...more,
});

const none = (message: string): never => {
  throw new Error(message);
};

it("is there for its owner alone, and is gone when nothing is mapped", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "wg0.mappings.json");
  const file = await MappingFile.open(folder, "wg0", 0, none);
  expect(existsSync(path)).toBe(false);
  await file.keep(mapping());
  expect(statSync(path).mode & 0o777).toBe(0o600);
  // Another port outside of the same mapping takes the place of the first; in UPnP it is one more.
  await file.keep(mapping({ externalPort: 5555 }));
  await file.keep(mapping({ protocol: "upnp-igd", externalPort: 1111 }));
  await file.keep(mapping({ protocol: "upnp-igd", externalPort: 2222 }));
  const again = await MappingFile.open(folder, "wg0", 0, none);
  expect(again.mappings.map(({ externalPort }) => externalPort)).toEqual([2222, 1111, 5555]);
  for (const one of again.mappings) await again.forget(one);
  expect(existsSync(path)).toBe(false);
});

it("forgets what has ended, and keeps what nothing ends", async () => {
  const folder = temporaryFolder();
  const file = await MappingFile.open(folder, "wg0", 0, none);
  await file.keep(mapping());
  await file.keep(mapping({ protocol: "upnp-igd", isPermanent: true, endsAt: undefined }));
  const later = await MappingFile.open(folder, "wg0", 2000, none);
  expect(later.mappings).toMatchObject([{ protocol: "upnp-igd" }]);
});

it("has 16 at the most", async () => {
  const folder = temporaryFolder();
  const file = await MappingFile.open(folder, "wg0", 0, none);
  for (let i = 1; i <= 20; i++) await file.keep(mapping({ internalPort: i }));
  expect((await MappingFile.open(folder, "wg0", 0, none)).mappings).toHaveLength(16);
});

it.each(["", "{", "[]", '{"version":2,"mappings":[]}', '{"version":1,"mappings":[{"protocol":"pcp"}]}'])(
  "is set aside when it is damaged: %s",
  async (text) => {
    const folder = temporaryFolder();
    const path = join(folder, "wg0.mappings.json");
    writeFileSync(path, text);
    const warnings: string[] = [];
    const file = await MappingFile.open(folder, "wg0", 0, (message) => warnings.push(message));
    expect(file.mappings).toEqual([]);
    expect(warnings).toEqual([expect.stringContaining(`${path} is damaged`)]);
    expect(readFileSync(`${path}.damaged`, "utf8")).toBe(text);
    await file.keep(mapping());
    expect(existsSync(path)).toBe(true);
  },
);
