import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { MeshError } from "./errors.js";

/**
 * Writes a file. Only its owner can read the file and its folder. After a crash of the program or the machine, the file
 * is either the old one or the new one, never a part of one.
 * @throws {@link MeshError} `FILE`
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const next = `${path}.${randomUUID()}.tmp`;
  await named(path, async () => {
    const folder = dirname(path);
    await makeFolder(folder);
    try {
      const file = await open(next, "wx", 0o600);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, path);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
    await syncFolder(folder);
  });
}

/** Removes a file, so that it does not come back after a crash. A missing file is no error. */
export async function removeDurably(path: string): Promise<void> {
  await named(path, async () => {
    try {
      await rm(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

/** With O_NONBLOCK, opening a pipe returns at once and does not wait for a writer. */
const READ: number = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a file that {@link writeDurably} has written. A file of another user than root is refused: that user could
 * choose this host's keys and peers.
 * @param most - the maximum length in bytes
 * @returns undefined when there is no such file
 * @throws {@link MeshError} `FILE`
 */
export async function readBounded(path: string, most: number): Promise<string | undefined> {
  return await named(path, async () => {
    const file = await open(path, READ).catch((error: unknown) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (file === undefined) return undefined;
    try {
      const stat = await file.stat();
      if (!stat.isFile() || stat.size > most) throw new Error(`no file of at most ${most} bytes`);
      if (stat.uid !== 0 && stat.uid !== process.geteuid?.())
        throw new Error("it belongs to another user: look who put it there, and move it away");
      return await file.readFile("utf8");
    } finally {
      await file.close();
    }
  });
}

/**
 * Renames a damaged file, so that a person can examine it.
 * @param why - the problem in words
 * @returns a sentence that says what was done, without a full stop
 * @throws {@link MeshError} `FILE`
 */
export async function setAside(path: string, why: string): Promise<string> {
  const aside = `${path}.damaged`;
  await named(path, async () => await rename(path, aside));
  return `${path} is damaged (${why}), and was moved to ${aside}`;
}

/**
 * Makes a folder and its missing parents. Node's own `recursive` never ends when the system reports a missing folder
 * whose parent exists, as in /proc.
 */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const above = dirname(path);
    if (hasCode(error, "EEXIST")) return;
    if (!hasCode(error, "ENOENT") || above === path) throw error;
    await makeFolder(above);
    await mkdir(path, { mode: 0o700 }).catch((again: unknown) => {
      if (!hasCode(again, "EEXIST")) throw again;
    });
  }
}

/** A rename or a removal only survives a crash after the folder itself was written to the disk. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

async function named<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new MeshError("FILE", `${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
