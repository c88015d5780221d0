import { basename, dirname, extname, resolve } from "node:path";
import { type FileReader, parseOwnFormat } from "../config/own-format.js";
import type { Settings } from "../config/settings.js";
import { MeshError } from "../errors.js";
import type { LookUpHost } from "./host-places.js";
import { parseWgQuick } from "./wg-quick.js";
import { parseWgautomesh } from "./wgautomesh.js";
import { parseWirelink, type WirelinkLanguage } from "./wirelink.js";

/** Whose file it is. */
export type Origin = "own" | "wg-quick" | "wgautomesh" | "wirelink";

/** How files refer to what is outside of them. */
export interface Outside extends FileReader {
  readonly lookUp: LookUpHost;
  readonly env: NodeJS.ProcessEnv;
}

const LANGUAGES: ReadonlyMap<string, WirelinkLanguage> = new Map([
  [".json", "json"],
  [".yaml", "yaml"],
  [".yml", "yaml"],
  [".toml", "toml"],
]);

/**
 * Whose file it is, by its name: `wirelink.wg0.json`, `wg0.conf`, `….toml`, `….json`; where that says nothing, by its
 * first line.
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
 * What a configuration comes to, whoever wrote it.
 * @param path - where it is: its name says whose it is, and mostly for which interface
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`; what `outside` throws, and sidewire of a pool
 */
export async function parseAnyFormat(text: string, path: string, outside: Outside): Promise<Settings> {
  // Some editors of Windows begin a file with that.
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
