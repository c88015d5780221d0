import { join } from "node:path";
import * as z from "zod/mini";
import { check } from "../check.js";
import { readBounded, setAside, writeDurably } from "../durable-file.js";
import { isName } from "../roster/member-name.js";
import { Roster } from "../roster/roster.js";
import { SigningKey } from "../roster/signing-key.js";
import type { Roles } from "./role-texts.js";

/** The maximum size of the file in bytes: enough for all statements of a network. */
const MAX_BYTES = 32 << 20;

/** The maximum number of open invitations of one host. */
export const MAX_INVITES = 16;
/** The maximum number of newcomers of one invitation, and of waiting newcomers. */
export const MAX_USES = 1000;

const base64 = z.string().check(z.maxLength(2000), z.regex(/^[A-Za-z\d+/]*={0,2}$/));
const whole = z.int().check(z.minimum(0));
const texts = z.array(z.string().check(z.maxLength(50))).check(z.maxLength(64));
/** Optional, because files from before roles do not have these fields. */
const roles = { groups: z.optional(texts), routes: z.optional(texts) };
const newcomer = z.strictObject({
  ...roles,
  publicKey: z.string().check(z.length(44)),
  name: z.string().check(z.refine(isName)),
  signer: z.string().check(z.length(44)),
});

const schema = z.strictObject({
  version: z.literal(1),
  seed: z.string().check(z.length(44)),
  statements: z.array(base64).check(z.maxLength(20_000)),
  invites: z
    .array(
      z.strictObject({
        ...roles,
        secret: z.string().check(z.length(24)),
        expires: whole,
        uses: whole,
        approve: z.boolean(),
        joined: z.array(z.string().check(z.length(44))).check(z.maxLength(MAX_USES)),
      }),
    )
    .check(z.maxLength(MAX_INVITES)),
  waiting: z.array(newcomer).check(z.maxLength(MAX_USES)),
});

/** A newcomer that waits for its approval. Keys are in base64. */
export interface Newcomer extends Roles {
  readonly publicKey: string;
  readonly name: string;
  readonly signer: string;
}

/** An open invitation, with the roles of members that join with it. */
export interface Invite extends Roles {
  /** 16 bytes, in base64. */
  readonly secret: string;
  /** Unix ms. */
  readonly expires: number;
  /** How many hosts may join with it. */
  readonly uses: number;
  /** Whether each newcomer must be approved by an admin. */
  readonly approve: boolean;
  /** The WireGuard keys of the hosts that have joined with it, in base64. */
  readonly joined: readonly string[];
}

/** Whether a host can still join with an invitation. @param now - Unix ms */
export function isOpen({ expires }: Invite, now: number): boolean {
  return expires > now;
}

/** What a host knows of its network, in one file that only its owner can read. */
export class RosterFile {
  /** The signing key of this host. It stays the same, because others know it. */
  readonly key: SigningKey;
  /** Undefined while this host is in no network. */
  roster: Roster | undefined;
  invites: readonly Invite[];
  waiting: readonly Newcomer[];
  /** Why a damaged file was renamed, in a sentence. */
  readonly trouble: string | undefined;
  readonly #path: string;
  #writing: Promise<void> = Promise.resolve();
  #isWaiting = false;

  private constructor(path: string, kept: z.infer<typeof schema> | undefined, trouble: string | undefined) {
    this.#path = path;
    this.key = new SigningKey(kept && new Uint8Array(Buffer.from(kept.seed, "base64")));
    this.invites = kept?.invites ?? [];
    this.waiting = kept?.waiting ?? [];
    this.roster = kept && rosterOf(kept.statements);
    this.trouble = trouble;
  }

  /**
   * Reads the file. A damaged file is renamed.
   * @throws {@link MeshError} `FILE` when the file cannot be read at all
   */
  static async open(folder: string, name: string): Promise<RosterFile> {
    const path = join(folder, `${name}.roster`);
    const text = await readBounded(path, MAX_BYTES);
    if (text === undefined) return new RosterFile(path, undefined, undefined);
    const { kept, problem } = parse(text);
    if (kept !== undefined) return new RosterFile(path, kept, undefined);
    const done = await setAside(path, problem ?? "it does not fit");
    return new RosterFile(
      path,
      undefined,
      `${done}: this host is in no network any more. Put a good copy in its place, or join again with a new token`,
    );
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
    const { key, invites, waiting, roster } = this;
    const statements = roster?.taken.map(({ bytes }) => Buffer.from(bytes).toString("base64")) ?? [];
    const seed = Buffer.from(key.seed).toString("base64");
    await writeDurably(this.#path, `${JSON.stringify({ version: 1, seed, statements, invites, waiting })}\n`);
  }
}

function parse(text: string): { readonly kept?: z.infer<typeof schema>; readonly problem?: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { problem: "it is not JSON" };
  }
  const checked = check(schema, json);
  if (checked.problem !== undefined) return { problem: checked.problem };
  const { statements } = checked.value;
  if (statements.length > 0 && rosterOf(statements) === undefined)
    return { problem: "its first statement founds no network" };
  return { kept: checked.value };
}

/** The signatures were checked before the statements were written, so they are trusted. */
function rosterOf([founding, ...rest]: readonly string[]): Roster | undefined {
  if (founding === undefined) return undefined;
  const roster = Roster.from(new Uint8Array(Buffer.from(founding, "base64")));
  for (const one of rest) roster?.add(new Uint8Array(Buffer.from(one, "base64")), true);
  return roster;
}
