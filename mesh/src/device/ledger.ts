import { join } from "node:path";
import { check } from "../check.js";
import { readBounded, removeDurably, writeDurably } from "../durable-file.js";
import { MeshError } from "../errors.js";
import { type Changes, changesSchema } from "./changes.js";

/** The maximum size of a ledger in bytes: enough for all peers of the largest interface that can be read. */
const MAX_BYTES = 16 << 20;

/** The file of changes. A change is recorded here before it is made. */
export class Ledger {
  readonly path: string;
  #written: string | undefined;

  /** @param name - the name of the interface */
  constructor(folder: string, name: string) {
    this.path = join(folder, `${name}.device`);
  }

  /**
   * Reads what an earlier run has left.
   * @returns undefined when there is nothing to undo
   * @throws {@link MeshError} `FILE`
   */
  async load(): Promise<Changes | undefined> {
    const text = await readBounded(this.path, MAX_BYTES);
    if (text === undefined) return undefined;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (error) {
      throw this.#damaged("it is not JSON", error);
    }
    const checked = check(changesSchema, json);
    if (checked.problem === undefined) return checked.value;
    throw this.#damaged(checked.problem, checked.cause);
  }

  /** @throws {@link MeshError} `FILE` */
  async save(changes: Changes): Promise<void> {
    const text = `${JSON.stringify(changes, undefined, 1)}\n`;
    if (text === this.#written) return;
    await writeDurably(this.path, text);
    this.#written = text;
  }

  /** @throws {@link MeshError} `FILE` */
  async remove(): Promise<void> {
    await removeDurably(this.path);
    this.#written = undefined;
  }

  #damaged(why: string, cause: unknown): MeshError {
    return new MeshError(
      "FILE",
      `${this.path} is damaged (${why}). It says what an earlier run changed on the interface. Move it away, and set ` +
        "the endpoints of the peers as you want them, for example by `wg syncconf`",
      { cause },
    );
  }
}
