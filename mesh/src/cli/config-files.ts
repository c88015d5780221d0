import { access } from "node:fs/promises";
import { join } from "node:path";
import { lookUp } from "sidewire/node";
import type { Settings } from "../config/settings.js";
import { checkInterfaceName } from "../device/checks.js";
import { parseAnyFormat } from "../origins/read.js";
import { InputFileError } from "./failure.js";
import { checkSecret, isOpenToOthers, naming, readKey, readText } from "./input-files.js";

/** How long to wait for the addresses of a name, in ms. */
const PATIENCE_MS = 1500;

/** The folder of wirelink's files, unless `WIRELINK_CONFIG_PATH` names another folder. */
const WIRELINK_FOLDER = "/etc/wireguard";

/**
 * Reads a configuration in the own format or in the format of another program.
 * @throws {@link InputFileError}, and the errors of the format's reader
 */
export async function readConfig(path: string, env: NodeJS.ProcessEnv): Promise<Settings> {
  const text = await readText(path);
  const outside = { readKey, readText, env, lookUp: lookUpHost };
  const settings = await naming(path, () => parseAnyFormat(text, path, outside));
  if (settings.turn?.some(({ password }) => password !== undefined)) await checkSecret(path);
  // A file of wg-quick contains the private key. wg-quick itself warns in this case, too.
  if (!/^\s*privatekey\s*=/im.test(text) || !(await isOpenToOthers(path))) return settings;
  const note = `others may read it, and it holds a private key: chmod 600 ${path}`;
  return { ...settings, notes: [note, ...(settings.notes ?? [])] };
}

/**
 * Reads wirelink's file for an interface, from the place where wirelink looks for it. Without such a file, only the
 * environment variables count.
 * @param name - the name of the interface. Default: `WIRELINK_IFACE`, else wg0
 */
export async function readWirelink(name: string | undefined, env: NodeJS.ProcessEnv): Promise<Settings> {
  const interfaceName = name ?? (env.WIRELINK_IFACE || "wg0");
  checkInterfaceName(interfaceName);
  const folder = env.WIRELINK_CONFIG_PATH || WIRELINK_FOLDER;
  for (const extension of ["json", "yaml", "yml", "toml"]) {
    const path = join(folder, `wirelink.${interfaceName}.${extension}`);
    if (await isThere(path)) return { ...(await readConfig(path, env)), interface: interfaceName };
  }
  const path = join(folder, `wirelink.${interfaceName}.json`);
  const settings = await naming(path, () =>
    parseAnyFormat("{}", path, { readKey, readText, env, lookUp: lookUpHost }),
  );
  return { ...settings, interface: interfaceName };
}

/** Looks up a name for the place of a peer. */
export async function lookUpHost(host: string): Promise<readonly string[]> {
  return await lookUp(host, [4, 6], AbortSignal.timeout(PATIENCE_MS));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw new InputFileError(`cannot read ${path}: ${error instanceof Error ? error.message : error}`);
  }
}
