import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Lock } from "../../src/device/lock.js";

describe("the lock of an interface", () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), "sidewire-lock-")), "locks");
  });
  afterEach(() => rmSync(join(folder, ".."), { recursive: true, force: true }));

  /** Takes it, changes the file, and takes it again. */
  const retake = async (change: (own: { pid: number; startedAt: string }) => string): Promise<Lock> => {
    await Lock.take("wg0", folder);
    const [name = ""] = readdirSync(folder);
    const path = join(folder, name);
    writeFileSync(path, change(JSON.parse(readFileSync(path, "utf8"))));
    return await Lock.take("wg0", folder);
  };

  it("is one process's, and free again once it is released", async () => {
    const lock = await Lock.take("wg0", folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    await expect(Lock.take("wg0", folder)).rejects.toMatchObject({
      code: "IN_USE",
      message: `wg0 is looked after by another sidewire-mesh, process ${process.pid}: sidewire-mesh down wg0 ends it`,
    });
    await (await Lock.take("wg1", folder)).release();
    await lock.release();
    await (await Lock.take("wg0", folder)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each<[name: string, change: (own: { pid: number; startedAt: string }) => string]>([
    ["a process that has ended", (own) => JSON.stringify({ ...own, pid: spawnSync("true").pid })],
    ["a process whose number another one has now", (own) => JSON.stringify({ ...own, startedAt: "1" })],
    ["nobody: an empty file", () => ""],
    ["nobody: another file", () => '{"pid":-1}'],
  ])("is taken over from %s", async (_name, change) => {
    await (await retake(change)).release();
    expect(readdirSync(folder)).toEqual([]);
  });

  it("is not released by who does not have it any more", async () => {
    const lock = await Lock.take("wg0", folder);
    const [name = ""] = readdirSync(folder);
    writeFileSync(join(folder, name), "another's");
    await lock.release();
    expect(readFileSync(join(folder, name), "utf8")).toBe("another's");
  });

  it("is one's alone when many want a dead one's at once", async () => {
    await Lock.take("wg0", folder);
    const [name = ""] = readdirSync(folder);
    writeFileSync(join(folder, name), "");
    const takes = await Promise.allSettled(Array.from({ length: 20 }, () => Lock.take("wg0", folder)));
    const held = takes.filter(({ status }) => status === "fulfilled");
    expect(held).toHaveLength(1);
    for (const take of takes)
      if (take.status === "rejected") expect(take.reason).toMatchObject({ code: "IN_USE" });
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it("says when it cannot be", async () => {
    rmSync(join(folder, ".."), { recursive: true });
    writeFileSync(join(folder, ".."), "a file");
    await expect(Lock.take("wg0", folder)).rejects.toMatchObject({ code: "FILE" });
  });
});
