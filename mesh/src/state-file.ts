import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import type { Candidate } from "./candidates/candidate.js";
import { check } from "./check.js";
import { MeshError } from "./errors.js";
import { formatEndpoint, parseEndpoint } from "./ip/endpoint.js";

/** How many peers are remembered, and how many candidates of each. */
const MAX_PEERS = 65_536;
const MAX_CANDIDATES = 32;

/** The largest file that is read, bytes: a full one has a quarter of it. */
const MAX_FILE_BYTES = 64 << 20;

const MAX_U64 = (1n << 64n) - 1n;

const u64 = z.pipe(
  z.string().check(z.regex(/^\d{1,20}$/)),
  z.transform((text: string, context) => {
    const value = BigInt(text);
    if (value > MAX_U64) context.issues.push({ code: "custom", message: "too large", input: text });
    return value;
  }),
);

const endpoint = z.pipe(
  z.string().check(z.maxLength(64)),
  z.transform((text: string, context) => {
    const parsed = parseEndpoint(text);
    if (parsed !== undefined) return parsed;
    context.issues.push({ code: "custom", message: "no endpoint", input: text });
    return z.NEVER;
  }),
);

const peerSchema = z.strictObject({
  boot: u64,
  counter: z.int().check(z.minimum(0), z.maximum(0xffff_ffff)),
  candidates: z
    .array(
      z.strictObject({
        kind: z.enum(["host", "reflexive", "mapped", "configured"]),
        endpoint,
        seenAt: z.number(),
      }),
    )
    .check(z.maxLength(MAX_CANDIDATES)),
});

const fileSchema = z.strictObject({
  version: z.literal(1),
  boot: u64,
  peers: z
    .record(z.string().check(z.maxLength(64)), peerSchema)
    .check(z.refine((peers) => Object.keys(peers).length <= MAX_PEERS)),
});

/** A candidate of a peer, with the Unix time at which it was known to be true, ms. */
export interface RememberedCandidate extends Omit<Candidate, "ageS"> {
  readonly seenAt: number;
}

/** What is remembered of a peer. */
export interface RememberedPeer {
  /** The last announce that was accepted: only later ones are. */
  readonly boot: bigint;
  readonly counter: number;
  readonly candidates: readonly RememberedCandidate[];
}

/**
 * What is remembered over a restart, in one file: the own boot number, which only grows, and what each peer said last.
 * Readable by its owner alone. A crash leaves the old file or the new one.
 */
export class StateFile {
  /** The number of this start: larger than that of any before. */
  #boot: bigint;
  readonly peers: Map<string, RememberedPeer>;
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #isWaiting = false;

  private constructor(path: string, boot: bigint, peers: Map<string, RememberedPeer>) {
    this.#path = path;
    this.#boot = boot;
    this.peers = peers;
  }

  /**
   * Reads the file, counts this start, and writes it.
   *
   * The number is taken from the wall clock where that is larger, so that a host that lost its file is still believed.
   * @param wallNow - Unix ms
   * @throws {@link MeshError} `FILE`
   */
  static async open(folder: string, name: string, wallNow: number): Promise<StateFile> {
    const path = join(folder, `${name}.json`);
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const kept = await read(path);
      const next = (kept?.boot ?? 0n) + 1n;
      const now = BigInt(Math.max(0, Math.trunc(wallNow)));
      const state = new StateFile(path, next > now ? next : now, new Map(Object.entries(kept?.peers ?? {})));
      await state.save();
      return state;
    } catch (error) {
      if (error instanceof MeshError) throw error;
      throw new MeshError("FILE", `${path}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }

  get boot(): bigint {
    return this.#boot;
  }

  /** Goes on above a number that a peer has seen of an earlier start; that start's file was lost. */
  async passBoot(seen: bigint): Promise<void> {
    if (seen < this.#boot || seen >= MAX_U64) return;
    this.#boot = seen + 1n;
    await this.save();
  }

  /** Resolves when the file holds what is known now. Calls while one is being written share the next. */
  async save(): Promise<void> {
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      const write = async (): Promise<void> => {
        this.#isWaiting = false;
        await this.#write();
      };
      this.#writing = this.#writing.then(write, write);
    }
    await this.#writing;
  }

  async #write(): Promise<void> {
    const peers = Object.fromEntries(
      [...this.peers].map(([key, { boot, counter, candidates }]) => [
        key,
        {
          boot: String(boot),
          counter,
          candidates: candidates.map((one) => ({ ...one, endpoint: formatEndpoint(one.endpoint) })),
        },
      ]),
    );
    const text = JSON.stringify({ version: 1, boot: String(this.#boot), peers }, undefined, 1);
    const next = `${this.#path}.${randomUUID()}.tmp`;
    try {
      const file = await open(next, "wx", 0o600);
      try {
        await file.writeFile(`${text}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await chmod(next, 0o600);
      await rename(next, this.#path);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }
}

async function read(path: string): Promise<z.infer<typeof fileSchema> | undefined> {
  let text: string;
  try {
    const file = await open(path, "r");
    try {
      if ((await file.stat()).size > MAX_FILE_BYTES) throw damaged(path, "it is too long");
      text = await readFile(file, "utf8");
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged(path, "it is not JSON", error);
  }
  const checked = check(fileSchema, json);
  if (checked.problem === undefined) return checked.value;
  throw damaged(path, checked.problem, checked.cause);
}

function damaged(path: string, why: string, cause?: unknown): MeshError {
  const wayOut = "Move it away: the peers are then met as if for the first time";
  return new MeshError("FILE", `${path} is damaged (${why}). ${wayOut}`, { cause });
}
