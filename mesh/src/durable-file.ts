import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { MeshError } from "./errors.js";

/**
 * Writes a file that its owner alone can read, in a folder of which the same holds. After a crash, of the program or of
 * the machine, there is the old one or the new one, whole.
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

/** Removes a file, so that it does not come back after a crash; no error when there is none. */
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

/** A pipe in the place of a file is opened at once, and not when somebody writes to it. */
const READ: number = constants.O_RDONLY | constants.O_NONBLOCK;

/**
 * Reads a file that {@link writeDurably} has written. One of another user than root is refused: who could put it there
 * would choose our keys and peers.
 * @param most - how long it may be, bytes
 * @returns undefined when there is none
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
 * Moves a file that is damaged out of the way, for whoever wants to look.
 * @param why - what is wrong with it, in words
 * @returns what was done, in a sentence that goes on
 * @throws {@link MeshError} `FILE`
 */
export async function setAside(path: string, why: string): Promise<string> {
  const aside = `${path}.damaged`;
  await named(path, async () => await rename(path, aside));
  return `${path} is damaged (${why}), and was moved to ${aside}`;
}

/**
 * Makes a folder, with those above it. Node's own `recursive` goes on for ever where the system says that a folder is
 * not there whose parent is, as in /proc.
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

/** What was renamed or removed in a folder is so for good only once the folder itself is on the disk. */
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
