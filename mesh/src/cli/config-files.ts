import { access } from "node:fs/promises";
import { join } from "node:path";
import { lookUp } from "sidewire/node";
import type { Settings } from "../config/settings.js";
import { checkInterfaceName } from "../device/checks.js";
import { parseAnyFormat } from "../origins/read.js";
import { InputFileError } from "./failure.js";
import { checkSecret, isOpenToOthers, naming, readKey, readText } from "./input-files.js";

/** How long the address of a name is waited for, ms. */
const PATIENCE_MS = 1500;

/** Where wirelink's files are, unless `WIRELINK_CONFIG_PATH` says otherwise. */
const WIRELINK_FOLDER = "/etc/wireguard";

/**
 * What a configuration comes to: one of our own, or of one of the programs whose files are read.
 * @throws {@link InputFileError}, and what the format's reader throws
 */
export async function readConfig(path: string, env: NodeJS.ProcessEnv): Promise<Settings> {
  const text = await readText(path);
  const outside = { readKey, readText, env, lookUp: lookUpHost };
  const settings = await naming(path, () => parseAnyFormat(text, path, outside));
  if (settings.turn?.some(({ password }) => password !== undefined)) await checkSecret(path);
  // wg-quick has the private key in its file, and warns as well.
  if (!/^\s*privatekey\s*=/im.test(text) || !(await isOpenToOthers(path))) return settings;
  const note = `others may read it, and it holds a private key: chmod 600 ${path}`;
  return { ...settings, notes: [note, ...(settings.notes ?? [])] };
}

/**
 * What wirelink's file for an interface comes to, where wirelink itself would look for it; without such a file, what the
 * environment says.
 * @param name - of the interface. Default: `WIRELINK_IFACE`, else wg0
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

async function lookUpHost(host: string): Promise<readonly string[]> {
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
