import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { readBounded, removeDurably, writeDurably } from "../durable-file.js";
import { formatKey, KEY_BYTES, parseKey } from "../wireguard-key.js";

const MAX_BYTES = 1024;

/**
 * The private WireGuard key of an interface that `join` makes, and the one that is to take its place. Each is whole on
 * the disk before anybody is told of it, so a crash at any moment loses neither.
 */
export class KeyFile {
  /** Where the key is. */
  readonly path: string;
  readonly #nextPath: string;

  constructor(folder: string, interfaceName: string) {
    this.path = join(folder, `${interfaceName}.key`);
    this.#nextPath = `${this.path}.next`;
  }

  /** The key; undefined when `join` has made none here. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async read(): Promise<Uint8Array | undefined> {
    return await readKey(this.path);
  }

  /** The key, or a new one. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readOrMake(): Promise<Uint8Array> {
    const there = await this.read();
    if (there !== undefined) return there;
    // One that was to follow an earlier key follows this one no more.
    await removeDurably(this.#nextPath);
    return await make(this.path);
  }

  /** The key that is to be the next; undefined when none is. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readNext(): Promise<Uint8Array | undefined> {
    return await readKey(this.#nextPath);
  }

  /** The key that is to be the next, or a new one. @throws {@link MeshError} `FILE`, `INVALID_KEY` */
  async readOrMakeNext(): Promise<Uint8Array> {
    return (await this.readNext()) ?? (await make(this.#nextPath));
  }

  /** Makes the next key the one of now. The next stays as it is. @throws {@link MeshError} `FILE` */
  async put(privateKey: Uint8Array): Promise<void> {
    await writeDurably(this.path, textOf(privateKey));
  }

  /** No key is to be the next. @throws {@link MeshError} `FILE` */
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
