import { randomUUID } from "node:crypto";
import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import envPaths from "env-paths";
import { codeOf, Failure, reasonOf } from "./failure.js";
import { orAborted } from "./interrupt.js";

/** The user's folders for this command, by the system's convention. */
export const folders: { readonly config: string; readonly cache: string } = envPaths("sidewire", {
  suffix: "",
});

/** A file's bytes. @throws {@link Failure} `FILE`, which names it; what the signal gives as its reason */
export async function readBytes(path: string, signal: AbortSignal): Promise<Buffer> {
  try {
    return await orAborted(readFile(path), signal);
  } catch (error) {
    signal.throwIfAborted();
    throw new Failure("FILE", `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/**
 * Puts a new file in the place of an old one, or of what a link leads to; a crash leaves one or the other,
 * whole. Without a mode it has the old one's.
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
