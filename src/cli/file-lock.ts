import { open, rm, stat } from "node:fs/promises";
import { codeOf, Failure, reasonOf } from "./failure.js";
import { pause } from "./interrupt.js";

/** A change takes milliseconds. A lock that is older than this was left by a process that died, in ms. */
const STALE_MS = 10_000;

const LOOK_AGAIN_MS = 20;

/**
 * Does some work while no other process holds the file's lock. @throws {@link Failure} `FILE` when no lock can be made
 */
export async function withLock<T>(path: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  while (!(await taken(lock, path))) {
    await pause(LOOK_AGAIN_MS, signal);
    signal.throwIfAborted();
  }
  try {
    return await work();
  } finally {
    await rm(lock, { force: true });
  }
}

async function taken(lock: string, path: string): Promise<boolean> {
  try {
    const file = await open(lock, "wx", 0o600);
    await file.close();
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new Failure("FILE", `cannot write ${path}: ${reasonOf(error)}`, 1);
    // The lock may have been removed meanwhile.
    const held = await stat(lock).catch(() => undefined);
    if (held !== undefined && Date.now() - held.mtimeMs > STALE_MS) await rm(lock, { force: true });
    return false;
  }
}
