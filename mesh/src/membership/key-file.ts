import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readBounded, removeDurably, writeDurably } from "../durable-file.js";
import { formatKey, KEY_BYTES, parseKey } from "../wireguard-key.js";

const MAX_BYTES = 1024;

/**
 * The private WireGuard key of an interface that `join` has made, and the key that replaces it later. Each key is
 * completely on the disk before anybody is told of it, so no crash can lose it.
 */
export class KeyFile {
  /** The path of the key. */
  readonly path: string;
  readonly #nextPath: string;

  constructor(folder: string, interfaceName: string) {
    this.path = join(folder, `${interfaceName}.key`);
    this.#nextPath = `${this.path}.next`;
  }

  /** The key; undefined when `join` has made none. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async read(): Promise<Uint8Array | undefined> {
    return await readKey(this.path);
  }

  /** The key, or a new one. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readOrMake(): Promise<Uint8Array> {
    const there = await this.read();
    if (there !== undefined) return there;
    // A next key of an earlier key does not fit this new one.
    await removeDurably(this.#nextPath);
    return await make(this.path);
  }

  /** The next key; undefined when there is none. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readNext(): Promise<Uint8Array | undefined> {
    return await readKey(this.#nextPath);
  }

  /** The next key, or a new one. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readOrMakeNext(): Promise<Uint8Array> {
    return (await this.readNext()) ?? (await make(this.#nextPath));
  }

  /** Stores the next key as the current one. The file of the next key stays. @throws {@link MeshError} `FILE` */
  async put(privateKey: Uint8Array): Promise<void> {
    await writeDurably(this.path, textOf(privateKey));
  }

  /** Removes the next key. @throws {@link MeshError} `FILE` */
  async endNext(): Promise<void> {
    await removeDurably(this.#nextPath);
  }
}

async function readKey(path: string): Promise<Uint8Array | undefined> {
  const text = await readBounded(path, MAX_BYTES);
  return text === undefined ? undefined : parseKey(text.trim(), path);
}

async function make(path: string): Promise<Uint8Array> {
  const key = new Uint8Array(randomBytes(KEY_BYTES));
  await writeDurably(path, textOf(key));
  return key;
}

function textOf(key: Uint8Array): string {
  return `${formatKey(key)}\n`;
}
