import { join } from "node:path";
import * as z from "zod/mini";
import { check } from "../check.js";
import { readBounded, removeDurably, setAside, writeDurably } from "../durable-file.js";
import type { MappingProtocol } from "./mapper.js";

/** The maximum number of mappings: more than a host can have at a time in all its networks. */
const MAX_ENTRIES = 16;
const MAX_FILE_BYTES = 64 << 10;

const port = z.int().check(z.minimum(1), z.maximum(0xffff));
const address = z.string().check(z.maxLength(64));

const entrySchema = z.strictObject({
  protocol: z.enum(["pcp", "nat-pmp", "upnp-igd"]),
  family: z.union([z.literal(4), z.literal(6)]),
  gateway: address,
  own: address,
  internalPort: port,
  externalPort: port,
  nonce: z.string().check(z.regex(/^[\da-f]{24}$/)),
  isPermanent: z.boolean(),
  /** Unix ms; absent for a permanent mapping. */
  endsAt: z.optional(z.number()),
});

const fileSchema = z.strictObject({
  version: z.literal(1),
  mappings: z.array(entrySchema).check(z.maxLength(MAX_ENTRIES)),
});

/** A mapping that was asked for and not removed. */
export interface KeptMapping {
  readonly protocol: MappingProtocol;
  readonly family: 4 | 6;
  readonly gateway: string;
  readonly own: string;
  readonly internalPort: number;
  readonly externalPort: number;
  /** In hex. */
  readonly nonce: string;
  readonly isPermanent: boolean;
  readonly endsAt?: number | undefined;
}

/** The file of mappings. A mapping is in it from before the first request until the gateway has removed it. */
export class MappingFile {
  readonly #path: string;
  #mappings: readonly KeptMapping[];
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, mappings: readonly KeptMapping[]) {
    this.#path = path;
    this.#mappings = mappings;
  }

  /**
   * Reads the file. A damaged file is renamed; the mappings in it end by themselves.
   * @param wallNow - Unix ms; mappings that have ended by then are forgotten
   * @throws {@link MeshError} `FILE` when the file cannot be read
   */
  static async open(
    folder: string,
    name: string,
    wallNow: number,
    onWarning: (message: string) => void,
  ): Promise<MappingFile> {
    const path = join(folder, `${name}.mappings.json`);
    const text = await readBounded(path, MAX_FILE_BYTES);
    if (text === undefined) return new MappingFile(path, []);
    const checked = check(fileSchema, parsed(text));
    if (checked.problem === undefined) {
      const lasting = checked.value.mappings.filter(({ endsAt }) => endsAt === undefined || endsAt > wallNow);
      return new MappingFile(path, lasting);
    }
    onWarning(`${await setAside(path, checked.problem)}: port mappings of the last start may be left`);
    return new MappingFile(path, []);
  }

  get mappings(): readonly KeptMapping[] {
    return this.#mappings;
  }

  /** Stores a mapping, and replaces an earlier one for the same port and gateway. Resolves when it is in the file. */
  async keep(mapping: KeptMapping): Promise<void> {
    const others = this.#mappings.filter((one) => !isSameMapping(one, mapping));
    await this.#set([mapping, ...others].slice(0, MAX_ENTRIES));
  }

  async forget(mapping: KeptMapping): Promise<void> {
    await this.#set(this.#mappings.filter((one) => !isSameMapping(one, mapping)));
  }

  async #set(mappings: readonly KeptMapping[]): Promise<void> {
    this.#mappings = mappings;
    const write = async (): Promise<void> => {
      if (this.#mappings.length === 0) return await removeDurably(this.#path);
      const text = JSON.stringify({ version: 1, mappings: this.#mappings }, undefined, 1);
      await writeDurably(this.#path, `${text}\n`);
    };
    this.#writing = this.#writing.then(write, write);
    await this.#writing;
  }
}

/** Whether two mappings have the same gateway, protocol and inside port. There is only one such mapping. */
function isSameMapping(a: KeptMapping, b: KeptMapping): boolean {
  return (
    a.protocol === b.protocol &&
    a.gateway === b.gateway &&
    a.own === b.own &&
    a.internalPort === b.internalPort &&
    // With UPnP a gateway may have several mappings for one inside port.
    (a.protocol !== "upnp-igd" || a.externalPort === b.externalPort)
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
