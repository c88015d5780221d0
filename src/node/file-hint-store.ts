import { randomUUID } from "node:crypto";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type BrokerHint, type HintStore, MemoryHintStore, parseHints } from "../brokers/hints.js";
import { makeFolder } from "./make-folder.js";

/**
 * Keeps hints in a JSON file, so that the next start needs only one connection. A file that is missing, damaged or
 * unreadable counts as empty.
 *
 * Every change is written to a second file, which then replaces the first one. So a crash leaves either the old file or
 * the new one, never a part of a file. Only the owner can read the file (mode 0600), because the file shows which peers
 * the owner talks to.
 *
 * @example
 * ```ts
 * import { Keypair, Router } from "sidewire";
 * import { FileHintStore } from "sidewire/node";
 *
 * const router = new Router(Keypair.generate(), {
 *   getTime: Date.now,
 *   hintStore: new FileHintStore("/var/lib/my-app/hints.json"),
 * });
 * ```
 */
export class FileHintStore implements HintStore {
  readonly #path: string;
  readonly #memory: MemoryHintStore = new MemoryHintStore();
  #loaded: Promise<void> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #dirty = false;

  /** @param path - the file; its folder is made at the first write */
  constructor(path: string) {
    this.#path = path;
  }

  async get(address: string): Promise<readonly BrokerHint[] | undefined> {
    await this.#load();
    return this.#memory.get(address);
  }

  /**
   * Resolves when the hints are in the file.
   * @throws the system's error (as a rejection) when the file cannot be written
   */
  async set(address: string, hints: readonly BrokerHint[]): Promise<void> {
    await this.#load();
    this.#memory.set(address, hints);
    // Only one write runs at a time. Changes that come meanwhile go into the next write.
    if (!this.#dirty) {
      this.#dirty = true;
      const write = (): Promise<void> => this.#write();
      this.#writing = this.#writing.then(write, write);
    }
    await this.#writing;
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#read();
    return this.#loaded;
  }

  async #read(): Promise<void> {
    try {
      const kept: unknown = JSON.parse(await readFile(this.#path, "utf8"));
      for (const [address, hints] of Object.entries(Object(kept))) {
        const { usable } = parseHints(Array.isArray(hints) ? hints : []);
        if (usable.length > 0) this.#memory.set(address, usable);
      }
    } catch {
      // Without a usable file the store starts empty.
    }
  }

  async #write(): Promise<void> {
    this.#dirty = false;
    const text = JSON.stringify(Object.fromEntries(this.#memory.entries()), undefined, 1);
    const next = `${this.#path}.${randomUUID()}.tmp`;
    await makeFolder(dirname(this.#path));
    try {
      await writeFile(next, text, { mode: 0o600 });
      // The umask may remove bits from a mode given at creation, so the mode is set explicitly.
      await chmod(next, 0o600);
      await rename(next, this.#path);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }
}
