import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { readBounded, writeDurably } from "../src/durable-file.js";
import { temporaryFolder } from "./support/temporary-folder.js";

it("reads nothing but a file of bounded length, and waits for nobody", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "file");
  expect(await readBounded(path, 9)).toBeUndefined();
  await writeDurably(path, "123456789");
  expect(await readBounded(path, 9)).toBe("123456789");
  await expect(readBounded(path, 8)).rejects.toMatchObject({
    code: "FILE",
    message: expect.stringMatching(/at most 8 bytes/),
  });
  mkdirSync(join(folder, "folder"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  symlinkSync("/dev/zero", join(folder, "device"));
  symlinkSync("itself", join(folder, "itself"));
  for (const name of ["folder", "pipe", "device", "itself"])
    await expect(readBounded(join(folder, name), 9), name).rejects.toMatchObject({ code: "FILE" });
});

it("believes no file of another user", async () => {
  const path = join(temporaryFolder(), "file");
  writeFileSync(path, "whose?");
  if (process.geteuid?.() === 0) chownSync(path, 4711, 4711);
  else vi.spyOn(process, "geteuid").mockReturnValue(4711);
  await expect(readBounded(path, 99)).rejects.toMatchObject({
    code: "FILE",
    message: expect.stringMatching(/belongs to another user/),
  });
  vi.restoreAllMocks();
  // What is written takes its place, and is our own.
  await writeDurably(path, "ours");
  expect(await readBounded(path, 99)).toBe("ours");
});

it("writes no file through a link, nor readable by others", async () => {
  const folder = temporaryFolder();
  const [path, elsewhere] = [join(folder, "file"), join(folder, "elsewhere")];
  writeFileSync(elsewhere, "stays");
  chmodSync(elsewhere, 0o644);
  symlinkSync(elsewhere, path);
  await writeDurably(path, "secret");
  expect([readFileSync(path, "utf8"), readFileSync(elsewhere, "utf8")]).toEqual(["secret", "stays"]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
