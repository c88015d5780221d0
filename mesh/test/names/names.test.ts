import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { NamedNetwork } from "../../src/names/host-names.js";
import { withBlock } from "../../src/names/hosts-block.js";
import { Names, type NamesMeans } from "../../src/names/names.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SYSTEM = "127.0.0.1 localhost\r\n# theirs";

function network(...names: readonly string[]): NamedNetwork {
  const members = names.map((name, i) => ({ name, addresses: [`10.9.0.${i + 1}`] }));
  return { network: "office", members };
}

function start(text: string | undefined = SYSTEM): {
  path: string;
  warnings: string[];
  names: (more?: Partial<NamesMeans>) => Names;
} {
  const folder = temporaryFolder();
  const path = join(folder, "hosts");
  writeFileSync(path, text);
  const warnings: string[] = [];
  const names = (more: Partial<NamesMeans> = {}): Names =>
    new Names({
      ...{ interface: "wg0", isOn: true, path, lockFolder: join(folder, "run") },
      ...{ onWarning: (message: string) => void warnings.push(message), ...more },
    });
  return { path, warnings, names };
}

it("are there until the end, as they were said last", async () => {
  const { path, warnings, names } = start();
  const mine = names();
  const theirs = names({ interface: "wg1" });
  mine.set(network("ann"));
  mine.set(network("ann", "ben"));
  theirs.set({ ...network("eve"), network: "home" });
  await theirs.close();
  expect(theirs.undone).toEqual([`the names of members are removed from ${path}`]);
  await expect.poll(() => readFileSync(path, "latin1")).toBe(withBlock(SYSTEM, "wg0", network("ann", "ben")));
  mine.set(undefined);
  await expect.poll(() => readFileSync(path, "latin1")).toBe(SYSTEM);
  mine.set(network("ben"));
  await mine.close();
  await mine.close();
  mine.set(network("ann"));
  expect(readFileSync(path, "latin1")).toBe(SYSTEM);
  expect(warnings).toEqual([]);
});

it("of a run that was killed are gone with the next start, also when there are to be none", async () => {
  const stale = withBlock(SYSTEM, "wg0", network("ann", "old"));
  for (const isOn of [true, false]) {
    const { path, warnings, names } = start(stale);
    const next = names({ isOn });
    next.set(isOn ? undefined : network("ann"));
    await expect.poll(() => readFileSync(path, "latin1")).toBe(SYSTEM);
    const { ctimeNs } = statSync(path, { bigint: true });
    await next.close();
    expect(statSync(path, { bigint: true }).ctimeNs).toBe(ctimeNs);
    expect([next.undone, warnings]).toEqual([[], []]);
  }
});

it("that cannot be written are one warning", async () => {
  const { path, warnings, names } = start();
  rmSync(path);
  mkdirSync(path);
  const mine = names();
  mine.set(network("ann"));
  await expect
    .poll(() => mine.troubles.join())
    .toMatch(/^members have no names here, only addresses, since .* cannot be/);
  const { troubles } = mine;
  mine.set(network("ann", "ben"));
  await mine.close();
  expect(warnings).toEqual(troubles);
});

it("that could not be written are written with the next change", async () => {
  const { path, names } = start();
  rmSync(path);
  const mine = names();
  mine.set(network("ann"));
  await expect.poll(() => mine.troubles).not.toEqual([]);
  writeFileSync(path, SYSTEM);
  mine.set(network("ben"));
  await expect.poll(() => mine.troubles).toEqual([]);
  expect(readFileSync(path, "latin1")).toBe(withBlock(SYSTEM, "wg0", network("ben")));
  await mine.close();
});

it("are nobody's concern where there is no file and no network", async () => {
  const { path, warnings, names } = start();
  rmSync(path);
  const none = names();
  none.set(undefined);
  await none.close();
  expect([none.troubles, warnings]).toEqual([[], []]);
});

it("are not given to a network that is called as somebody else's", async () => {
  const { path, warnings, names } = start();
  const mine = names();
  mine.set({ ...network("metadata"), network: "google" });
  await expect.poll(() => mine.troubles.join()).toMatch(/called google get no names/);
  expect([warnings.length, readFileSync(path, "latin1")]).toEqual([1, SYSTEM]);
  await mine.close();
});
