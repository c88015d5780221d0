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

/** A key and its file. The file has 64 hex characters, and only its owner can read it. */
export interface KeyFile {
  readonly path: string;
  readonly keys: Keypair;
}

/** The maximum number of bytes that are read. Every key file is shorter. */
const MAX_BYTES = 1024;

const OWNER_ONLY = 0o600;
const OTHERS = 0o077;

/** The path of the key file: the option, else `SIDEWIRE_KEY`, else a file in the configuration folder. */
export function keyPath(option: string | undefined): string {
  const path = option ?? (process.env.SIDEWIRE_KEY || undefined);
  return path === undefined ? join(folders.config, "key") : resolve(path);
}

/** @throws {@link Failure} `NO_KEY`, `KEY_EXPOSED`, `INVALID_KEY`, `FILE`; or the signal's reason */
export async function readKey({ options, signal }: Context): Promise<KeyFile> {
  const path = keyPath(options.key);
  const text = await orAborted(readOwnersFile(path), signal);
  try {
    // `trim` removes a byte order mark as well.
    return { path, keys: Keypair.fromSecretKey(text.trim()) };
  } catch (error) {
    if (!(error instanceof SidewireError)) throw error;
    // The library's message is about an argument of a function, so it does not fit. The message must never contain the
    // text.
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
    // Making a link is atomic, and fails if the file exists. So nobody reads half a key, and of two processes at the
    // same time only one succeeds.
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

/**
 * Reads the key file, and checks the mode of exactly the file that is read. A pipe needs no check: only its reader can
 * read it.
 */
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
    // On Windows the mode does not show who can read a file.
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

/** Reads several times, because a pipe delivers its content in pieces. */
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
