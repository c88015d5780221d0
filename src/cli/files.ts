import { randomUUID } from "node:crypto";
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import envPaths from "env-paths";
import { codeOf, Failure, reasonOf } from "./failure.js";
import { orAborted } from "./interrupt.js";

/** The user's folders for this command, by the convention of the system. */
export const folders: { readonly config: string; readonly cache: string } = envPaths("sidewire", {
  suffix: "",
});

/** Reads a file. @throws {@link Failure} `FILE`, which names the file; or the signal's reason */
export async function readBytes(path: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return await orAborted(readFile(path), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure("FILE", `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/**
 * Replaces a file, or the file that a link leads to. After a crash the file is either the old one or the new one, never
 * a part of one. Without a mode, the new file gets the mode of the old one.
 */
export async function replaceFile(path: string, text: string, mode?: number): Promise<void> {
  let next: string | undefined;
  try {
    const old = await stat(path).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error;
      return undefined;
    });
    if (old?.isFile() === false) throw new Error("it is not a file");
    const target = old === undefined ? path : await realpath(path);
    const newMode = mode ?? (old === undefined ? 0o644 : old.mode & 0o777);
    next = `${target}.${randomUUID()}.tmp`;
    await writeFile(next, text, { mode: newMode, flag: "wx" });
    await chmod(next, newMode);
    await rename(next, target);
  } catch (error) {
    if (next !== undefined) await rm(next, { force: true });
    throw new Failure("FILE", `cannot write ${path}: ${reasonOf(error)}`, 1);
  }
}
