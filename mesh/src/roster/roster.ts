import { formatKey } from "../wireguard-key.js";
import type { SigningKey } from "./signing-key.js";
import {
  type Fields,
  HASH_BYTES,
  hashOf,
  isGenuine,
  MAX_COUNTER,
  MAX_LAMPORT,
  NETWORK_ID_BYTES,
  networkIdOf,
  readStatement,
  type Sayable,
  type Statement,
  writeStatement,
} from "./statement.js";

/** The maximum number of admins that a network may ever have had. */
export const MAX_ADMINS = 16;

/** The maximum number of statements of a network. With 16 admins, a summary and each statement fit a datagram. */
const MAX_STATEMENTS = 16_384;

/** A statement in the roster. */
export interface Entry {
  readonly statement: Statement;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
  /** The key that signed the statement, in base64. */
  readonly admin: string;
  /** The subject of the statement, in base64. */
  readonly subject: string;
}

/** How far a host knows one admin's statements. */
export interface Mark {
  /** The admin's signing key, in base64. */
  readonly admin: string;
  readonly counter: number;
  /** The hash of the statement with this counter. */
  readonly hash: Uint8Array;
}

/**
 * The result for a statement: it was added; it was known; an earlier one is missing; there is another one in its place;
 * it is of another network or its author may not speak; the signature is not the admin's.
 */
export type Verdict = "new" | "known" | "gap" | "fork" | "refused" | "forged";

/**
 * Everything that the admins of a network have said: a set that only grows. Each admin has a chain of its own. So two
 * admins need no lock to speak at the same time, and two rosters are merged by the union of their statements.
 */
export class Roster {
  /** The network's id, 16 bytes. */
  readonly network: Uint8Array;
  readonly founding: Entry;
  readonly #chains = new Map<string, Entry[]>();
  /** The keys that may have a chain: the founder, and everybody who was made an admin. */
  readonly #speakers = new Set<string>();
  /** The first counter with two different statements of one admin. */
  readonly #forks = new Map<string, number>();
  /** All statements in the order in which they came. Each one comes after the statements that it needs. */
  readonly #taken: Entry[] = [];
  #lamport = 0;

  private constructor(founding: Entry) {
    this.network = networkIdOf(founding.bytes);
    this.founding = founding;
    this.#speakers.add(founding.admin);
    this.#take(founding);
  }

  /** Founds a network. @param time - Unix ms */
  static found(key: SigningKey, fields: Fields, time: number): Roster {
    const bytes = writeStatement(
      {
        ...{ kind: "found", network: new Uint8Array(NETWORK_ID_BYTES), admin: key.publicKey, counter: 1 },
        ...{ previous: new Uint8Array(HASH_BYTES), lamport: 1, time, subject: key.publicKey, fields },
      },
      key,
    );
    const roster = Roster.from(bytes);
    if (roster === undefined) throw new RangeError("fields that found no network");
    return roster;
  }

  /** The network that a statement founds; undefined when it founds none. */
  static from(founding: Uint8Array): Roster | undefined {
    const statement = readStatement(founding);
    if (statement?.kind !== "found" || !isGenuine(founding)) return undefined;
    return new Roster(entryOf(statement, founding));
  }

  /** The number of statements. */
  get size(): number {
    return this.#taken.length;
  }

  /** The admins with two different statements for one counter, and the first such counter of each. */
  get forks(): ReadonlyMap<string, number> {
    return this.#forks;
  }

  /**
   * Adds a statement, if it belongs to this network, is signed, and is the next one of its chain.
   * @param isTrusted - true when it comes from the own file, where its signature was checked before writing
   */
  add(bytes: Uint8Array, isTrusted = false): Verdict {
    const statement = readStatement(bytes);
    if (statement === undefined) return "refused";
    const entry = entryOf(statement, bytes);
    const chain = this.#chains.get(entry.admin) ?? [];
    const there = chain[statement.counter - 1];
    // A known statement needs no check of its signature.
    if (there !== undefined && isSame(there.hash, entry.hash)) return "known";
    if (!this.#speakers.has(entry.admin) || statement.kind === "found") return "refused";
    if (!isSame(statement.network, this.network)) return "refused";
    if (statement.counter > chain.length + 1) return "gap";
    if (!isTrusted && !isGenuine(bytes)) return "forged";
    const before = chain.at(-1);
    if (there !== undefined || !isSame(before?.hash ?? NO_HASH, statement.previous)) {
      const at = there === undefined ? chain.length : statement.counter;
      this.#forks.set(entry.admin, Math.min(at, this.#forks.get(entry.admin) ?? at));
      return "fork";
    }
    const least = before?.statement.lamport ?? 0;
    const isLater = statement.lamport > least || least === MAX_LAMPORT;
    if (!isLater || this.size >= MAX_STATEMENTS) return "refused";
    if (statement.kind === "admin" && !this.#canSpeak(entry.subject)) return "refused";
    this.#take(entry);
    return "new";
  }

  /**
   * Adds statements, up to the first forged one. A host that passes on statements has checked them, and checking the
   * hundreds of statements in a message takes long.
   * @returns the results
   */
  addAll(statements: readonly Uint8Array[]): ReadonlySet<Verdict> {
    const verdicts = new Set<Verdict>();
    for (const bytes of statements) {
      verdicts.add(this.add(bytes));
      if (verdicts.has("forged")) break;
    }
    return verdicts;
  }

  /**
   * Makes a statement as an admin, and adds it.
   * @param subject - 32 bytes
   * @param time - Unix ms
   * @returns undefined when there is no room for more statements
   */
  write(
    key: SigningKey,
    kind: Sayable,
    subject: Uint8Array,
    fields: Fields,
    time: number,
  ): Entry | undefined {
    const chain = this.#chains.get(formatKey(key.publicKey)) ?? [];
    const previous = chain.at(-1)?.hash ?? NO_HASH;
    const lamport = Math.min(MAX_LAMPORT, this.#lamport + 1);
    const { network } = this;
    const counter = chain.length + 1;
    if (counter > MAX_COUNTER) return undefined;
    const bytes = writeStatement(
      { kind, network, admin: key.publicKey, counter, previous, lamport, time, subject, fields },
      key,
    );
    return this.add(bytes) === "new" ? this.#chains.get(formatKey(key.publicKey))?.at(-1) : undefined;
  }

  /** The number of known statements of an admin. */
  counterOf(admin: string): number {
    return this.#chains.get(admin)?.length ?? 0;
  }

  /** The statement of an admin with this counter. */
  at(admin: string, counter: number): Entry | undefined {
    return this.#chains.get(admin)?.[counter - 1];
  }

  /** All statements in the order that is the same on every host: by Lamport time, then by hash. */
  entries(): Entry[] {
    return this.#taken.toSorted(byTime);
  }

  /** All statements in the order in which they came. Each one comes after the statements that it needs. */
  get taken(): readonly Entry[] {
    return this.#taken;
  }

  /** How far each admin's statements are known. */
  marks(): Mark[] {
    return [...this.#chains].flatMap(([admin, chain]) => {
      const last = chain.at(-1);
      return last === undefined ? [] : [{ admin, counter: chain.length, hash: last.hash }];
    });
  }

  /** The statements that a host with these marks lacks, in an order in which each comes after the ones it needs. */
  missing(marks: readonly Mark[]): Entry[] {
    const counters = new Map(marks.map(({ admin, counter }) => [admin, counter]));
    const lacking = this.#taken.filter(
      ({ admin, statement }) => statement.counter > (counters.get(admin) ?? 0),
    );
    // The own statement and the other one together prove a fork.
    const disputed = marks.flatMap(({ admin, counter, hash }) => {
      const own = this.at(admin, counter);
      return own === undefined || isSame(own.hash, hash) ? [] : [own];
    });
    return [...disputed, ...lacking];
  }

  /** Whether a host with these marks knows a statement that is missing here. */
  isBehind(marks: readonly Mark[]): boolean {
    return marks.some(({ admin, counter }) => counter > this.counterOf(admin));
  }

  #canSpeak(subject: string): boolean {
    return this.#speakers.has(subject) || this.#speakers.size < MAX_ADMINS;
  }

  #take(entry: Entry): void {
    const chain = this.#chains.get(entry.admin) ?? [];
    chain.push(entry);
    this.#chains.set(entry.admin, chain);
    this.#taken.push(entry);
    this.#lamport = Math.max(this.#lamport, entry.statement.lamport);
    if (entry.statement.kind === "admin") this.#speakers.add(entry.subject);
  }
}

const NO_HASH: Uint8Array = new Uint8Array(HASH_BYTES);

function entryOf(statement: Statement, bytes: Uint8Array): Entry {
  const { admin, subject } = statement;
  return { statement, bytes, hash: hashOf(bytes), admin: formatKey(admin), subject: formatKey(subject) };
}

function byTime(one: Entry, other: Entry): number {
  return one.statement.lamport - other.statement.lamport || Buffer.compare(one.hash, other.hash);
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
