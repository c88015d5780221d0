import { randomUUID } from "node:crypto";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import envPaths from "env-paths";
import { Failure, reasonOf } from "./failure.js";

/** The user's folders for this command, by the system's convention. */
export const folders: { readonly config: string; readonly cache: string } = envPaths("sidewire", {
  suffix: "",
});

/** A file's bytes. @throws {@link Failure} `FILE`, which names it */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Failure("FILE", `cannot read ${path}: ${reasonOf(error)}`);
  }
}

/** Puts a new file in the place of an old one; a crash leaves one or the other, whole. */
export async function replaceFile(path: string, text: string, mode: number): Promise<void> {
  const next = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(next, text, { mode, flag: "wx" });
    await chmod(next, mode);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw new Failure("FILE", `cannot write ${path}: ${reasonOf(error)}`, 1);
  }
}
