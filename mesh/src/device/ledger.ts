import { join } from "node:path";
import { check } from "../check.js";
import { readBounded, removeDurably, writeDurably } from "../durable-file.js";
import { MeshError } from "../errors.js";
import { type Changes, changesSchema } from "./changes.js";

/** The largest ledger that is read, bytes: every peer of the largest interface that we read, and more. */
const MAX_BYTES = 16 << 20;

/** Where what we changed is written down, before it is changed. */
export class Ledger {
  readonly path: string;
  #written: string | undefined;

  /** @param name - of the interface */
  constructor(folder: string, name: string) {
    this.path = join(folder, `${name}.device`);
  }

  /**
   * What an earlier run left behind.
   * @returns undefined when nothing is to be undone
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
