import { readFile } from "node:fs/promises";
import type { BrokerPool } from "sidewire";
import { keyFrom } from "../config/parts.js";
import { InputFileError, reasonOf } from "./failure.js";

/** The largest file that is read, bytes: a pool or a configuration of 65 536 peers has a tenth of it. */
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

/** What a file's reader says, with the file's name before it. */
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
