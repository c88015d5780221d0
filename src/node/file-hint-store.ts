import { randomUUID } from "node:crypto";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { type BrokerHint, type HintStore, MemoryHintStore, parseHints } from "../brokers/hints.js";
import { makeFolder } from "./make-folder.js";

/**
 * Keeps hints in a JSON file, so that the next start is one connection. Every change is written to a
 * second file, which then takes the first one's place: a crash leaves the old file or the new one,
 * never half of one. The file is readable by its owner alone (mode 0600): it tells whom one talks to.
 *
 * A file that is missing, damaged or unreadable counts as empty.
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

  /** @param path - the file; its folder is made on the first write */
  constructor(path: string) {
    this.#path = path;
  }

  async get(address: string): Promise<readonly BrokerHint[] | undefined> {
    await this.#load();
    return this.#memory.get(address);
  }

  /** Resolves when the file holds the hints. */
  async set(address: string, hints: readonly BrokerHint[]): Promise<void> {
    await this.#load();
    this.#memory.set(address, hints);
    // One write at a time; what comes meanwhile goes into the next.
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
      // Nothing kept, or nothing that can be used.
    }
  }

  async #write(): Promise<void> {
    this.#dirty = false;
    const text = JSON.stringify(Object.fromEntries(this.#memory.entries()), undefined, 1);
    const next = `${this.#path}.${randomUUID()}.tmp`;
    await makeFolder(dirname(this.#path));
    try {
      await writeFile(next, text, { mode: 0o600 });
      // A mode given at creation is narrowed by the umask and ignored for a file left by a crash.
      await chmod(next, 0o600);
      await rename(next, this.#path);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }
}
