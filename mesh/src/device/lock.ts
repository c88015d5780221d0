import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { MeshError } from "../errors.js";
import { networkNamespace } from "./incarnation.js";

/** The folder of the locks: it belongs to root, and is empty after a boot. */
export const LOCK_FOLDER = "/run/sidewire-mesh";

/** The maximum number of tries for a lock that others take and release at the same time. */
const MAX_TRIES = 10;

const ownerSchema = z.strictObject({
  pid: z.int().check(z.minimum(1), z.maximum(0x7fff_ffff)),
  /**
   * When the process was started, in ticks since the boot. A later process with the same number has another start time.
   */
  startedAt: z.string().check(z.regex(/^\d{1,20}$/)),
});

type Owner = z.infer<typeof ownerSchema>;

/** A lock that allows one daemon for an interface. The lock is held until its release or the end of the process. */
export class Lock implements AsyncDisposable {
  readonly #path: string;
  readonly #text: string;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
  }

  /**
   * Takes the lock of an interface in this network namespace. The lock of a dead process is taken over.
   * @param space - the space in which the name is unique; for a lock that is not for an interface
   * @throws {@link MeshError} `IN_USE`, `NOT_PERMITTED`, `FILE`
   */
  static async take(name: string, folder: string = LOCK_FOLDER, space?: string): Promise<Lock> {
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, `${name}@${space ?? (await networkNamespace())}.lock`);
      const own: Owner = { pid: process.pid, startedAt: (await startOf(process.pid)) ?? "0" };
      const text = JSON.stringify(own);
      for (let i = 0; i < MAX_TRIES; i++) {
        if (await tryToTake(name, path, text)) return new Lock(path, text);
      }
      throw new Error("others take it and leave it again and again");
    } catch (error) {
      if (error instanceof MeshError) throw error;
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      const why = error instanceof Error ? error.message : String(error);
      if (code === "EACCES" || code === "EPERM" || code === "EROFS")
        throw new MeshError("NOT_PERMITTED", `this needs root: ${folder} cannot be written (${why})`, {
          cause: error,
        });
      throw new MeshError("FILE", `the lock of ${name} in ${folder}: ${why}`, { cause: error });
    }
  }

  async release(): Promise<void> {
    if ((await textOf(this.#path)) === this.#text) await rm(this.#path, { force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

async function tryToTake(name: string, path: string, text: string): Promise<boolean> {
  const held = await textOf(path);
  if (held !== undefined) {
    const owner = ownerOf(held);
    if (owner !== undefined && (await startOf(owner.pid)) === owner.startedAt)
      throw new MeshError(
        "IN_USE",
        `${name} is looked after by another sidewire-mesh, process ${owner.pid}: sidewire-mesh down ${name} ends it`,
      );
    await moveAway(path, held);
  }
  // The file is made under another name first, so that the lock has its content from the beginning.
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, text, { mode: 0o600, flag: "wx" });
  try {
    await link(own, path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
  // Another process may have seen the dead owner's lock at the same time, and may have moved this new lock away.
  return (await textOf(path)) === text;
}

/** Moves the lock of a dead owner away. Puts it back if it turns out to be another one. */
async function moveAway(path: string, dead: string): Promise<void> {
  const away = `${path}.${randomUUID()}`;
  await rename(path, away).catch(ignoreMissing);
  if (((await textOf(away)) ?? dead) !== dead) await link(away, path).catch(() => undefined);
  await rm(away, { force: true });
}

async function textOf(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(ignoreMissing);
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

function ownerOf(text: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** @returns undefined when there is no such process */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The process name in parentheses may contain spaces and parentheses. The 22nd field is the 20th field after the
  // name. A process that has ended but was not collected (Z) is dead.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields === undefined || fields[0] === "Z" ? undefined : fields[19];
}
