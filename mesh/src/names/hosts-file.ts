import type { BigIntStats } from "node:fs";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { Lock } from "../device/lock.js";
import { MeshError } from "../errors.js";

/** The maximum size of a hosts file. Hosts files that block advertisements have a few megabytes. */
const MAX_BYTES = 16 << 20;
/** How long to wait for the lock, in ms. Daemons of other interfaces hold it for milliseconds. */
const LOCK_WAIT_MS = 5000;
const LOCK_PAUSE_MS = 20;
/** The maximum number of tries when another program changes the file at the same time. */
const MAX_TRIES = 5;

/**
 * The errors when a writable file cannot be replaced: it is a mount, or its folder is read-only or belongs to others.
 */
const NOT_REPLACED: readonly string[] = ["EBUSY", "EROFS", "EACCES", "EPERM", "EXDEV"];

/**
 * Changes a hosts file. The file is replaced by a new one, or changed in place where that is impossible, such as for a
 * mount. A link is followed. Owner and mode stay.
 * @param change - gets the bytes as characters (latin1); may be called several times
 * @returns whether anything was changed
 * @throws {@link MeshError} `FILE`, `IN_USE`, `NOT_PERMITTED`
 */
export async function editHostsFile(
  path: string,
  change: (text: string) => string,
  lockFolder?: string,
): Promise<boolean> {
  try {
    const first = await read(await realpath(path));
    if (change(first.text) === first.text) return false;
    await using _ = await lock(lockFolder);
    for (let i = 0; i < MAX_TRIES; i++) {
      const file = await read(await realpath(path));
      const text = change(file.text);
      if (text === file.text) return i > 0;
      if (await write(file, text)) return true;
    }
    throw new Error("other programs change it again and again");
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new MeshError("FILE", `${path}: ${why}`, { cause: error });
  }
}

/** A file as it was found. */
interface Found {
  readonly path: string;
  readonly text: string;
  readonly stats: BigIntStats;
}

async function read(path: string): Promise<Found> {
  const stats = await stat(path, { bigint: true });
  // Checked before the file is opened, because opening a pipe would wait for a writer.
  if (!stats.isFile() || stats.size > MAX_BYTES) throw new Error(`no file of at most ${MAX_BYTES >> 20} MiB`);
  const file = await open(path, "r");
  try {
    return { path, text: await file.readFile("latin1"), stats: await file.stat({ bigint: true }) };
  } finally {
    await file.close();
  }
}

/** A lock for one daemon at a time. Otherwise one daemon would undo the change of another one. */
async function lock(folder: string | undefined): Promise<Lock> {
  const deadline = performance.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      // No interface has such a long name.
      return await Lock.take("names-in-hosts-file", folder, "machine");
    } catch (error) {
      const isHeld = error instanceof MeshError && error.code === "IN_USE";
      if (!isHeld || performance.now() > deadline) throw error;
      await delay(LOCK_PAUSE_MS);
    }
  }
}

/** @returns whether the file was written; false when somebody else has changed it meanwhile */
async function write(found: Found, text: string): Promise<boolean> {
  // With several names of the file, replacing would leave the other names unchanged.
  if (found.stats.nlink > 1n) return await writeInPlace(found, text);
  try {
    return await replace(found, text);
  } catch (error) {
    if (!NOT_REPLACED.includes(codeOf(error))) throw error;
    return await writeInPlace(found, text);
  }
}

/** After a crash the file is either the old one or the new one, never a part of one. */
async function replace(found: Found, text: string): Promise<boolean> {
  const { path, stats } = found;
  // The name is always the same, so that the next change removes what a crash left.
  const next = `${path}.sidewire-mesh`;
  await rm(next, { force: true });
  const file = await open(next, "wx", 0o600);
  try {
    try {
      await file.writeFile(text, "latin1");
      const made = await file.stat({ bigint: true });
      if (made.uid !== stats.uid || made.gid !== stats.gid)
        await file.chown(Number(stats.uid), Number(stats.gid));
      await file.chmod(Number(stats.mode) & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await isUnchanged(found))) return false;
    await rename(next, path);
    return true;
  } finally {
    await rm(next, { force: true });
  }
}

async function writeInPlace(found: Found, text: string): Promise<boolean> {
  const file = await open(found.path, "r+");
  try {
    if (!(await isUnchanged(found))) return false;
    try {
      await overwrite(file, text);
    } catch (error) {
      // A full disk must not destroy the old content, whose space is still reserved.
      await overwrite(file, found.text).catch(() => {});
      throw error;
    }
    return true;
  } finally {
    await file.close();
  }
}

async function overwrite(file: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text, "latin1");
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done, done)).bytesWritten;
  await file.truncate(bytes.length);
  await file.sync();
}

async function isUnchanged({ path, stats }: Found): Promise<boolean> {
  const now = await stat(path, { bigint: true });
  return now.ino === stats.ino && now.size === stats.size && now.mtimeNs === stats.mtimeNs;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
