import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
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
  await mkdir(folder, { recursive: true, mode: 0o700 }).catch((error: unknown) => cannotWrite(folder, error));
  const files = [
    ...secrets.map(({ name, key }) => ({ path: join(folder, name), text: `${formatKey(key)}\n` })),
    { path: join(folder, `${json.interface}.json`), text: `${text}\n` },
  ];
  for (const file of files) await writeNew(file.path, file.text);
  const written = files.map((file) => file.path);
  await output.result({ written }, () => written.map(printable).join("\n"));
  output.note(`Try it with: sudo sidewire-mesh up --dry-run --config ${printable(written.at(-1) ?? "")}`);
  return 0;
}

/** Writes a new file. An existing file is never overwritten, because that file may contain a key. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, "wx", 0o600);
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

function cannotWrite(path: string, error: unknown): never {
  const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
  throw new InputFileError(`cannot write ${path}: ${isThere ? "it is there already" : reasonOf(error)}`, {
    cause: error,
  });
}
