import { createHash, randomUUID } from "node:crypto";
import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { Script } from "node:vm";

/** How long after the start the code is kept, ms. V8 has compiled what a start needs by then, and dropped none of it. */
const KEEP_AFTER_MS = 5000;

/** A hash stands before the code: V8 checks neither whether the code is whole nor, but for its length, the bundle. */
const HASH_BYTES = 32;

/**
 * Runs a CommonJS bundle with the code that V8 made of it in an earlier run, as Python does with its `.pyc` files. Node
 * has this, too, but only from version 22.8 on (`module.enableCompileCache`), and by default in a folder that other users
 * may have made.
 *
 * A cache is not used if it is damaged, belongs to another bundle or another Node, or could be written by another user.
 * @param file - the bundle
 * @param cache - the file with the code
 * @param isKept - whether this run writes the cache if there is none that it can use
 * @returns whether the cache was used
 */
export function runBundle(file: string, cache: string, isKept: boolean): boolean {
  const source = readFileSync(file);
  const cachedData = read(cache, source);
  const text = `(function (exports, require, module, __filename, __dirname) {${source.toString("utf8")}\n})`;
  const script = new Script(text, { filename: file, ...(cachedData && { cachedData }) });
  const isUsed = cachedData !== undefined && script.cachedDataRejected === false;
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));
  if (isKept && !isUsed) keepSoon(() => write(cache, source, script.createCachedData()));
  return isUsed;
}

/** Calls a function once: some time after the start, or at the end if that is earlier and all went well. */
function keepSoon(keep: () => void): void {
  const timer = setTimeout(() => {
    process.off("exit", atEnd);
    keep();
  }, KEEP_AFTER_MS);
  timer.unref();
  function atEnd(code: number): void {
    clearTimeout(timer);
    if (code === 0) keep();
  }
  process.once("exit", atEnd);
}

function read(cache: string, source: Uint8Array): Buffer | undefined {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(cache, "r");
    const { uid, mode } = fstatSync(descriptor);
    // Whoever can write the code decides what this process does.
    if (uid !== process.getuid?.() || (mode & 0o022) !== 0) return undefined;
    const bytes = readFileSync(descriptor);
    const code = bytes.subarray(HASH_BYTES);
    return bytes.subarray(0, HASH_BYTES).equals(hashOf(source, code)) ? code : undefined;
  } catch {
    return undefined;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function write(cache: string, source: Uint8Array, code: Uint8Array): void {
  const temporary = `${cache}.${randomUUID()}`;
  try {
    writeFileSync(temporary, Buffer.concat([hashOf(source, code), code]), { mode: 0o644, flag: "wx" });
    renameSync(temporary, cache);
  } catch {
    // The folder cannot be written, or the disk is full. Then the next start compiles everything again.
    rmSync(temporary, { force: true });
  }
}

function hashOf(source: Uint8Array, code: Uint8Array): Buffer {
  return createHash("sha256").update(source).update(code).digest();
}
