import { lstat, mkdir, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { checkInterfaceName } from "../device/checks.js";
import { writtenSettings } from "../origins/written.js";
import { formatKey } from "../wireguard-key.js";
import { readConfig } from "./config-files.js";
import type { Context } from "./context.js";
import { type ExitCode, InputFileError, reasonOf } from "./failure.js";
import { printable } from "./printable.js";

export interface ImportOptions {
  readonly output?: string;
}

/** Converts the configuration of another program to the own format. */
export async function importConfig(
  { output, env }: Context,
  path: string,
  { output: folder }: ImportOptions,
): Promise<ExitCode> {
  const settings = await readConfig(path, env);
  const { json, secrets } = writtenSettings(settings);
  for (const note of settings.notes ?? []) output.warn(note);
  const text = JSON.stringify(json, undefined, 2);
  if (folder === undefined) {
    await output.result(json, () => text);
    for (const { name } of secrets) output.note(`${name} is not written: name a folder with --output`);
    return 0;
  }
  // The files are called after the interface, and a name such as ../wg0 would lead out of the folder.
  checkInterfaceName(json.interface);
  const files = [
    ...secrets.map(({ name, key }) => ({ path: join(folder, name), text: `${formatKey(key)}\n` })),
    { path: join(folder, `${json.interface}.json`), text: `${text}\n` },
  ];
  for (const { path: file } of files) await checkAbsent(file);
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => cannotWrite(folder, error));
  await writeAll(files);
  const written = files.map((file) => file.path);
  await output.result({ written }, () => written.map(printable).join("\n"));
  output.note(`Try it with: sudo sidewire-mesh up --dry-run --config ${printable(written.at(-1) ?? "")}`);
  return 0;
}

interface NewFile {
  readonly path: string;
  readonly text: string;
}

/** Writes all files or none: keys that are left behind would be in the way of the next attempt. */
export async function writeAll(files: readonly NewFile[]): Promise<void> {
  const made: string[] = [];
  try {
    for (const file of files) await writeNew(file, () => made.push(file.path));
  } catch (error) {
    for (const path of made) await unlink(path).catch(() => {});
    throw error;
  }
}

/**
 * Writes a new file. An existing file is never overwritten, because that file may contain a key.
 * @param onMade - called when the file is there, and may still be empty
 */
async function writeNew({ path, text }: NewFile, onMade: () => void): Promise<void> {
  try {
    const file = await open(path, "wx", 0o600);
    onMade();
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    cannotWrite(path, error);
  }
}

async function checkAbsent(path: string): Promise<void> {
  // An error here is one of the writing, too, which then says what it is.
  const found = await lstat(path).catch(() => undefined);
  if (found !== undefined) cannotWrite(path, Object.assign(new Error("it exists"), { code: "EEXIST" }));
}

function cannotWrite(path: string, error: unknown): never {
  const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
  throw new InputFileError(`cannot write ${path}: ${isThere ? "it is there already" : reasonOf(error)}`, {
    cause: error,
  });
}
