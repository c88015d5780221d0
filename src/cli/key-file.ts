import { randomUUID } from "node:crypto";
import { type FileHandle, link, open, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { Keypair, SidewireError } from "sidewire";
import { makeFolder } from "../node/make-folder.js";
import type { Context } from "./context.js";
import { codeOf, Failure, reasonOf } from "./failure.js";
import { folders } from "./files.js";
import { orAborted } from "./interrupt.js";
import { hex } from "./printable.js";

/** A key and the file it is kept in: 64 hex characters that the owner alone can read. */
export interface KeyFile {
  readonly path: string;
  readonly keys: Keypair;
}

/** Longer than any key file; what is longer is not read to its end. */
const MAX_BYTES = 1024;

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/** Where the key is: as the option says, else as `SIDEWIRE_KEY` says, else in the configuration folder. */
export function keyPath(option: string | undefined): string {
  const path = option ?? (process.env.SIDEWIRE_KEY || undefined);
  return path === undefined ? join(folders.config, "key") : resolve(path);
}

/** @throws {@link Failure} `NO_KEY`, `KEY_EXPOSED`, `INVALID_KEY`, `FILE`; what the signal gives as its reason */
export async function readKey({ options, signal }: Context): Promise<KeyFile> {
  const path = keyPath(options.key);
  const text = await orAborted(readOwnersFile(path), signal);
  try {
    // Trimmed of a byte order mark, too.
    return { path, keys: Keypair.fromSecretKey(text.trim()) };
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    // Not the library's words, which speak of an argument; and never the text itself.
    throw new Failure("INVALID_KEY", `${path} is not a key file: expected 64 hex characters of a secret key`);
  }
}

/**
 * Makes a key, unless there is one.
 * @throws {@link Failure} `KEY_EXISTS`, `FILE`
 */
export async function createKey(option: string | undefined): Promise<KeyFile> {
  const path = keyPath(option);
  const keys = Keypair.generate();
  const next = `${path}.${randomUUID()}.tmp`;
  try {
    await makeFolder(dirname(path), 0o700);
    await writeDurably(next, `${hex(keys.secretKey)}\n`);
  } catch (error) {
    throw new Failure("FILE", `cannot write ${path}: ${reasonOf(error)}`, 1);
  }
  try {
    // A link is made or refused, never half of one: nobody reads half a key, and of two that run at once one loses.
    await link(next, path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") {
      throw new Failure("FILE", `cannot write ${path}: ${reasonOf(error)}`, 1);
    }
    throw new Failure("KEY_EXISTS", `${path} exists already, and a key is never overwritten`);
  } finally {
    await rm(next, { force: true });
  }
  return { path, keys };
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", OWNER_ONLY);
  try {
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

/** Looks at the mode of the very file that is read. A pipe is its reader's alone, whatever its mode. */
async function readOwnersFile(path: string): Promise<string> {
  const file = await open(path, "r").catch((error: unknown) => {
    if (codeOf(error) === "ENOENT")
      throw new Failure("NO_KEY", `no key at ${path}: make one with sidewire keygen`);
    throw unreadable(path, error);
  });
  try {
    const stats = await file.stat();
    if (stats.isDirectory()) throw new Failure("FILE", `cannot read ${path}: it is a folder`);
    if (!stats.isFile() && !stats.isFIFO())
      throw new Failure("FILE", `cannot read ${path}: it is not a file`);
    // Windows has other rights, which the mode does not show.
    if (stats.isFile() && process.platform !== "win32" && (stats.mode & OTHERS) !== 0) {
      const shown = (stats.mode & 0o777).toString(8).padStart(4, "0");
      throw new Failure("KEY_EXPOSED", `others can read the key (mode ${shown}): chmod 600 ${path}`);
    }
    return await readStart(file);
  } catch (error) {
    throw error instanceof Failure ? error : unreadable(path, error);
  } finally {
    await file.close();
  }
}

/** A pipe gives what it has in pieces. */
async function readStart(file: FileHandle): Promise<string> {
  const bytes = Buffer.alloc(MAX_BYTES);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(bytes, length, MAX_BYTES - length, null);
    length += bytesRead;
    if (bytesRead === 0 || length === MAX_BYTES) return bytes.toString("utf8", 0, length);
  }
}

function unreadable(path: string, error: unknown): Failure {
  return new Failure("FILE", `cannot read ${path}: ${reasonOf(error)}`);
}
