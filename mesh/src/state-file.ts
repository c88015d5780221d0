import { join } from "node:path";
import * as z from "zod/mini";
import type { Candidate } from "./candidates/candidate.js";
import { check } from "./check.js";
import { readBounded, setAside, writeDurably } from "./durable-file.js";
import type { NatVerdict } from "./info.js";
import { formatEndpoint, parseEndpoint } from "./ip/endpoint.js";

/** The maximum number of remembered peers, and of candidates for each peer. */
const MAX_PEERS = 65_536;
const MAX_CANDIDATES = 32;

/** The maximum size of the file, in bytes. A full file has a quarter of this. */
const MAX_FILE_BYTES = 64 << 20;

const MAX_U64 = (1n << 64n) - 1n;

/**
 * The highest boot number that a peer may make this host exceed: the number of a clock in the year 287 396. Starts only
 * count on from there, so no peer can use up all numbers.
 */
const MAX_PASSED = 1n << 53n;

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
  // Files of earlier versions have neither of these fields.
  nat: z._default(z.enum(["open", "stable", "symmetric", "blocked", "unknown"]), "unknown"),
  isRelay: z._default(z.boolean(), false),
  candidates: z
    .array(
      z.strictObject({
        kind: z.enum(["host", "reflexive", "mapped", "configured", "relayed"]),
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

/** A candidate of a peer, with the Unix time in ms when it was known to be true. */
export interface RememberedCandidate extends Omit<Candidate, "ageS"> {
  readonly seenAt: number;
}

/** Everything remembered of a peer. */
export interface RememberedPeer {
  /** The edition of the last accepted announce. Only later announces are accepted. */
  readonly boot: bigint;
  readonly counter: number;
  /** The content of that announce. The peer does not repeat it to a host that has heard it. */
  readonly nat: NatVerdict;
  readonly isRelay: boolean;
  readonly candidates: readonly RememberedCandidate[];
}

/**
 * What survives a restart, in one file: the own boot number, which only grows, and the last announce of each peer. Only
 * the owner can read the file. A crash leaves either the old file or the new one.
 */
export class StateFile {
  /** The number of this start. It is larger than that of any start before. */
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
   * Reads the file, counts this start, and writes the file. A damaged file is renamed; the peers are then met as if for
   * the first time.
   *
   * If the wall clock gives a larger boot number, that number is used. So peers still accept a host that has lost its
   * file.
   * @param wallNow - Unix ms
   * @throws {@link MeshError} `FILE` when the file cannot be read
   */
  static async open(
    folder: string,
    name: string,
    wallNow: number,
    onWarning: (message: string) => void,
  ): Promise<StateFile> {
    const path = join(folder, `${name}.json`);
    const kept = await read(path, onWarning);
    const next = (kept?.boot ?? 0n) + 1n;
    const now = BigInt(Math.max(0, Math.trunc(wallNow)));
    const state = new StateFile(path, next > now ? next : now, new Map(Object.entries(kept?.peers ?? {})));
    await state.save();
    return state;
  }

  get boot(): bigint {
    return this.#boot;
  }

  /**
   * The places where a peer was last known to be.
   * @param wallNow - Unix ms
   */
  candidatesOf(peer: string, wallNow: number): Candidate[] {
    const kept = this.peers.get(peer)?.candidates ?? [];
    return kept.map(({ seenAt, ...rest }) => ({ ...rest, ageS: Math.max(0, (wallNow - seenAt) / 1000) }));
  }

  /** Sets the boot number above one that a peer has seen of an earlier start, whose file was lost. */
  async passBoot(seen: bigint): Promise<void> {
    if (seen < this.#boot || seen > MAX_PASSED) return;
    this.#boot = seen + 1n;
    await this.save();
  }

  /** Resolves when the file holds the current data. Calls during a write share the next write. */
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
      [...this.peers].map(([key, { boot, candidates, ...rest }]) => [
        key,
        {
          boot: String(boot),
          ...rest,
          candidates: candidates.map((one) => ({ ...one, endpoint: formatEndpoint(one.endpoint) })),
        },
      ]),
    );
    const text = JSON.stringify({ version: 1, boot: String(this.#boot), peers }, undefined, 1);
    await writeDurably(this.#path, `${text}\n`);
  }
}

async function read(
  path: string,
  onWarning: (message: string) => void,
): Promise<z.infer<typeof fileSchema> | undefined> {
  const text = await readBounded(path, MAX_FILE_BYTES);
  if (text === undefined) return undefined;
  const checked = check(fileSchema, parsed(text));
  if (checked.problem === undefined) return checked.value;
  onWarning(`${await setAside(path, checked.problem)}: the peers are met as if for the first time`);
  return undefined;
}

/** Parses JSON. Returns undefined for text that is not JSON; no JSON text has this value. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
