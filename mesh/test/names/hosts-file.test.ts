import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { editHostsFile } from "../../src/names/hosts-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SYSTEM = "127.0.0.1 localhost\n";
/** No text in UTF-8, ends of lines of two kinds, and none at last. */
const ODD = Buffer.from("127.0.0.1\tlocalhost\r\n# \xff\xfe caf\xe9\0\n\n::1 x", "latin1");

function hosts(content: string | Buffer = SYSTEM): { folder: string; path: string; lockFolder: string } {
  const folder = temporaryFolder();
  const etc = join(folder, "etc");
  mkdirSync(etc);
  const path = join(etc, "hosts");
  writeFileSync(path, content);
  return { folder: etc, path, lockFolder: join(folder, "run") };
}

const adding =
  (line: string) =>
  (text: string): string =>
    `${line}\n${text}`;

describe("a hosts file", () => {
  it("is replaced by a whole one, with owner, mode and all bytes as they were", async () => {
    const { folder, path, lockFolder } = hosts(ODD);
    chmodSync(path, 0o640);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(path, 1, 2);
    const before = statSync(path);
    // What a run that was killed has left is in nobody's way.
    writeFileSync(`${path}.sidewire-mesh`, "half");
    expect(await editHostsFile(path, adding("10.9.0.1 ann"), lockFolder)).toBe(true);
    expect(readFileSync(path)).toEqual(Buffer.concat([Buffer.from("10.9.0.1 ann\n"), ODD]));
    const after = statSync(path);
    expect(after.ino).not.toBe(before.ino);
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(readdirSync(folder)).toEqual(["hosts"]);
  });

  it("is left alone when nothing is to be changed", async () => {
    const { path, lockFolder } = hosts(ODD);
    const before = statSync(path, { bigint: true });
    expect(await editHostsFile(path, (text) => text, lockFolder)).toBe(false);
    const after = statSync(path, { bigint: true });
    expect([after.ino, after.ctimeNs]).toEqual([before.ino, before.ctimeNs]);
  });

  it("is found behind a link, which stays", async () => {
    const { folder, path, lockFolder } = hosts();
    const link = join(folder, "link");
    symlinkSync("hosts", link);
    await editHostsFile(link, adding("10.9.0.1 ann"), lockFolder);
    expect(readlinkSync(link)).toBe("hosts");
    expect(readFileSync(path, "utf8")).toBe(`10.9.0.1 ann\n${SYSTEM}`);
  });

  it("is written in place where it has another name", async () => {
    const { folder, path, lockFolder } = hosts();
    const other = join(folder, "other");
    linkSync(path, other);
    await editHostsFile(path, adding("10.9.0.1 ann"), lockFolder);
    expect(readFileSync(other, "utf8")).toBe(`10.9.0.1 ann\n${SYSTEM}`);
    // Shorter than before, too.
    await editHostsFile(path, () => SYSTEM, lockFolder);
    expect(readFileSync(other, "utf8")).toBe(SYSTEM);
  });

  it("keeps what another program writes at the same time", async () => {
    const { path, lockFolder } = hosts();
    let looks = 0;
    const change = (text: string): string => {
      // Between our look and our change.
      if (++looks === 2) writeFileSync(path, `${text}192.0.2.1 theirs\n`);
      return text.startsWith("10.") ? text : `10.9.0.1 ann\n${text}`;
    };
    expect(await editHostsFile(path, change, lockFolder)).toBe(true);
    expect(readFileSync(path, "utf8")).toBe(`10.9.0.1 ann\n${SYSTEM}192.0.2.1 theirs\n`);
  });

  it("gives up when another program changes it again and again", async () => {
    const { path, lockFolder } = hosts();
    let looks = 0;
    const change = (text: string): string => {
      looks++;
      writeFileSync(path, `${SYSTEM}192.0.2.${looks} theirs\n`);
      return `${text}10.9.0.1 ann\n`;
    };
    await expect(editHostsFile(path, change, lockFolder)).rejects.toMatchObject({
      code: "FILE",
      message: expect.stringContaining("again and again"),
    });
    expect(readFileSync(path, "utf8")).toBe(`${SYSTEM}192.0.2.${looks} theirs\n`);
  });

  it("gets all that many write at once", async () => {
    const { path, lockFolder } = hosts();
    const lines = Array.from({ length: 20 }, (_, i) => `10.9.0.${i} member-${i}`);
    const edits = lines.map((line) =>
      editHostsFile(path, (text) => (text.includes(`${line}\n`) ? text : `${text}${line}\n`), lockFolder),
    );
    await Promise.all(edits);
    expect(readFileSync(path, "utf8").trim().split("\n").toSorted()).toEqual(
      [SYSTEM.trim(), ...lines].toSorted(),
    );
  });

  it.each<[string, (path: string) => void]>([
    ["missing", () => {}],
    ["a folder", (path) => mkdirSync(path)],
    ["a pipe", (path) => execFileSync("mkfifo", [path])],
    ["too long", (path) => writeFileSync(path, Buffer.alloc((16 << 20) + 1))],
    ["a link to nowhere", (path) => symlinkSync("nowhere", path)],
    ["a file of the kernel", (path) => symlinkSync("/proc/version", path)],
  ])("that is %s is an error that names it", async (_, make) => {
    const { folder, lockFolder } = hosts();
    const path = join(folder, "wrong");
    make(path);
    await expect(editHostsFile(path, adding("10.9.0.1 ann"), lockFolder)).rejects.toMatchObject({
      code: "FILE",
      message: expect.stringContaining(path),
    });
  });
});
