import { readFile, stat } from "node:fs/promises";
import type { BrokerPool } from "sidewire";
import { keyFrom } from "../config/parts.js";
import type { TurnOptions } from "../turn/turn-server.js";
import { parseTurnServers } from "../turn/turn-server.js";
import { InputFileError, reasonOf } from "./failure.js";

/** The maximum size of a file, in bytes. A pool or a configuration with 65 536 peers has a tenth of this. */
const MAX_BYTES = 64 << 20;

/** @throws {@link InputFileError} */
export async function readPool(path: string): Promise<BrokerPool> {
  const text = await readText(path);
  const { parseBrokerPool } = await import("sidewire");
  return await naming(path, async () => parseBrokerPool(text));
}

/** @throws {@link InputFileError}, {@link MeshError} `INVALID_KEY` */
export async function readKey(path: string): Promise<Uint8Array> {
  return keyFrom((await readText(path)).trim(), path);
}

/**
 * TURN servers from the command line, with the credentials from a file: the username in the first line, the password in
 * the second.
 * @throws {@link InputFileError}, {@link MeshError} `INVALID_OPTION`
 */
export async function readTurn(urls: readonly string[], path: string | undefined): Promise<TurnOptions[]> {
  const credentials = path === undefined ? {} : await readCredentials(path);
  const servers = urls.map((url) => ({ url, ...credentials }));
  parseTurnServers(servers);
  return servers;
}

async function readCredentials(path: string): Promise<Pick<TurnOptions, "username" | "password">> {
  await checkSecret(path);
  const [username = "", password = "", ...rest] = (await readText(path)).trimEnd().split(/\r?\n/);
  if (username !== "" && password !== "" && rest.length === 0) return { username, password };
  throw new InputFileError(`${path}: two lines are expected, the username and the password`);
}

/** Checks that only its owner can read a file with a password. */
export async function checkSecret(path: string): Promise<void> {
  if (await isOpenToOthers(path))
    throw new InputFileError(`${path} holds a password, and others may read it: chmod 600 ${path}`);
}

/** Whether anybody except the owner of a file may read or write the file. */
export async function isOpenToOthers(path: string): Promise<boolean> {
  const { mode } = await stat(path).catch((error: unknown) => {
    throw new InputFileError(`cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  });
  return (mode & 0o077) !== 0;
}

/** Puts the file's name before the error of a reader. */
export async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InputFileError || !(error instanceof Error)) throw error;
    throw new InputFileError(`${path}: ${error.message}`, { cause: error });
  }
}

/** @throws {@link InputFileError} */
export async function readText(path: string): Promise<string> {
  try {
    const text = await readFile(path, "utf8");
    if (text.length > MAX_BYTES) throw new Error("it is too long");
    return text;
  } catch (error) {
    throw new InputFileError(`cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  }
}
