import { basename, dirname, extname, resolve } from "node:path";
import { type OwnFormatMeans, parseOwnFormat } from "../config/own-format.js";
import type { Settings } from "../config/settings.js";
import { checkInterfaceName } from "../device/checks.js";
import { mergedPeers } from "../device/merged-peers.js";
import { MeshError } from "../errors.js";
import { parseWgQuick } from "./wg-quick.js";
import { parseWgautomesh } from "./wgautomesh.js";
import { parseWirelink, type WirelinkLanguage } from "./wirelink.js";

/** The program whose format a file has. */
export type Origin = "own" | "wg-quick" | "wgautomesh" | "wirelink";

/** The means to read other files, to look up names, and to read the environment. */
export interface Outside extends OwnFormatMeans {
  readonly env: NodeJS.ProcessEnv;
}

const LANGUAGES: ReadonlyMap<string, WirelinkLanguage> = new Map([
  [".json", "json"],
  [".yaml", "yaml"],
  [".yml", "yaml"],
  [".toml", "toml"],
]);

/**
 * Finds the program of a file by the name of the file: `wirelink.wg0.json` (or .yaml, .yml, .toml), `wg0.conf`, another
 * `.toml`. A file that starts with `[Interface]` is read like `wg0.conf`. All other files have the own format.
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function originOf(path: string, text: string): Origin {
  const [name, extension] = [basename(path), extname(path).toLowerCase()];
  if (/^wirelink\./i.test(name) && LANGUAGES.has(extension)) return "wirelink";
  if (extension === ".conf" || /^\s*(?:#[^\n]*\n\s*)*\[\s*interface\s*\]/i.test(text.slice(0, 65_536)))
    return "wg-quick";
  if (extension === ".toml") return "wgautomesh";
  if (extension === ".yaml" || extension === ".yml")
    throw new MeshError("INVALID_OPTION", "a file of wirelink is called as wirelink.wg0.yaml is");
  return "own";
}

/**
 * Reads a configuration in any format.
 * @param path - the path of the file. Its name tells the format, and in most formats the interface.
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`; `CONFLICT` for a key with two preshared keys; the errors of
 *   `outside`; sidewire's errors for a malformed pool of brokers
 */
export async function parseAnyFormat(text: string, path: string, outside: Outside): Promise<Settings> {
  const settings = await parsed(text, path, outside);
  // The name becomes a part of paths and commands.
  if (settings.interface !== undefined) checkInterfaceName(settings.interface);
  const { create, notes = [] } = settings;
  const [made, added] = [mergedPeers(create?.peers ?? []), mergedPeers(settings.peers ?? [])];
  const more = [...made.notes, ...added.notes];
  return {
    ...settings,
    ...(create === undefined ? {} : { create: { ...create, peers: made.peers } }),
    ...(settings.peers === undefined ? {} : { peers: added.peers }),
    ...(more.length === 0 ? {} : { notes: [...notes, ...more] }),
  };
}

async function parsed(text: string, path: string, outside: Outside): Promise<Settings> {
  // Some editors on Windows write this byte order mark at the start of a file.
  const plain = text.replace(/^\ufeff/, "");
  const origin = originOf(path, plain);
  const extension = extname(path);
  const name = basename(path, extension);
  const { lookUp } = outside;
  if (origin === "wg-quick") return await parseWgQuick(plain, name, lookUp);
  if (origin === "wgautomesh") return await parseWgautomesh(plain, lookUp);
  if (origin === "own") return await parseOwnFormat(plain, dirname(resolve(path)), outside);
  const language = LANGUAGES.get(extension.toLowerCase()) ?? "json";
  return await parseWirelink(plain, language, name.replace(/^wirelink\./i, ""), outside);
}
