import { createHash } from "node:crypto";
import { Budgets } from "../probe/budgets.js";
import type { Entry, Mark, Roster } from "../roster/roster.js";
import {
  BROKER_BYTES,
  PATH_BYTES,
  readSyncMessage,
  type SyncMessage,
  writeStatements,
  writeSummary,
} from "./sync-message.js";

/** Messages of one peer that are looked at: a whole roster comes in fewer at once. */
const PER_PEER = { perSecond: 2, burst: 64 } as const;
/**
 * Messages with statements that one peer is sent because it says that it lacks them: 4 MiB at once, as much as all
 * statements of a network commonly have, and then 16 KiB a second. The rest it gets when it asks later.
 */
const ANSWERS = { perSecond: 0.5, burst: 128 } as const;
/** How often a hash that is another one makes two rosters be compared, for each peer. */
const GREETINGS = { perSecond: 1 / 60, burst: 2 } as const;
/** How often rosters are compared where nothing has changed, ms. */
export const COMPARE_MS = 60_000;
/** With how many peers. */
const PEERS_A_ROUND = 2;
/** To how many others what was heard is passed on; who said it tells everybody itself. */
const PASSED_TO = 4;
/** Datagrams in a row that a path is given; more goes over the brokers. */
const MAX_DATAGRAMS = 8;

/** By which way something came, or goes. */
export type Way = "path" | "brokers";

/** What comparing rosters works with. Peers are named by their WireGuard keys, base64. */
export interface SyncMeans {
  /** Monotonic ms. */
  readonly now: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly roster: () => Roster | undefined;
  /** Members besides this host. */
  readonly others: () => readonly string[];
  /** @returns undefined where no path works; else whether the peer has it */
  readonly tellOnPath: (name: string, bytes: Uint8Array) => Promise<boolean> | undefined;
  readonly tellOverBrokers: (name: string, bytes: Uint8Array) => Promise<boolean>;
  /** Takes statements in. */
  readonly take: (name: string, statements: readonly Uint8Array[]) => void;
  /** A peer has said how far it knows the roster. */
  readonly onSummary: (name: string, marks: readonly Mark[]) => void;
  /** This host knows all that a peer knew when it said so. */
  readonly onLevel: (name: string) => void;
  /** A peer is of another network. */
  readonly onForeign: (name: string) => void;
}

/** Members tell each other how far they know the roster, and who knows more sends it. */
export class Sync {
  readonly #means: SyncMeans;
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #answers = new Budgets(ANSWERS.perSecond, ANSWERS.burst, Number.POSITIVE_INFINITY);
  readonly #greetings = new Budgets(GREETINGS.perSecond, GREETINGS.burst, Number.POSITIVE_INFINITY);
  /** What peers said last that this host did not know all of. */
  readonly #ahead = new Map<string, readonly Mark[]>();
  #timer: NodeJS.Timeout | undefined;

  constructor(means: SyncMeans) {
    this.#means = means;
  }

  start(): void {
    this.#timer = setInterval(() => this.compare(), COMPARE_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Something of the roster that came from a peer. */
  hear(name: string, bytes: Uint8Array, by: Way): void {
    const { roster, others, onForeign, onSummary } = this.#means;
    const own = roster();
    if (own === undefined || !this.#ofPeer.take(name, this.#means.now())) return;
    const message = readSyncMessage(bytes);
    if (message === undefined) return;
    if (Buffer.compare(message.network, own.network) !== 0) {
      onForeign(name);
      return;
    }
    if (message.type === "statements") {
      this.#means.take(name, message.statements);
      this.settle();
      return;
    }
    onSummary(name, message.marks);
    // Who is no member is told nothing, whatever it asks.
    if (others().includes(name)) this.#answer(name, message, own, by);
    if (own.isBehind(message.marks)) this.#ahead.set(name, message.marks);
    else this.#means.onLevel(name);
  }

  /** How far this host knows the roster, in 32 bytes: two that know the same have the same. */
  get hash(): Uint8Array | undefined {
    const own = this.#means.roster();
    if (own === undefined) return undefined;
    const marks = own.marks().toSorted((a, b) => (a.admin < b.admin ? -1 : 1));
    return new Uint8Array(
      createHash("sha256")
        .update(writeSummary(own.network, marks, false))
        .digest(),
    );
  }

  /** A peer has another roster, as its hash says. */
  hearHash(name: string, hash: Uint8Array): void {
    const own = this.hash;
    if (own === undefined || Buffer.compare(own, hash) === 0) return;
    if (this.#greetings.take(name, this.#means.now())) this.greet(name);
  }

  /** Looks who knows nothing any more that this host does not know. */
  settle(): void {
    const own = this.#means.roster();
    for (const [name, marks] of this.#ahead) {
      if (own?.isBehind(marks)) continue;
      this.#ahead.delete(name);
      this.#means.onLevel(name);
    }
  }

  /** Compares rosters with a peer. */
  greet(name: string, by?: Way): void {
    const own = this.#means.roster();
    if (own !== undefined) void this.#send(name, [writeSummary(own.network, own.marks(), true)], by);
  }

  /** Tells every member what this host has just said, by both ways at once. */
  push(entries: readonly Entry[]): void {
    const own = this.#means.roster();
    if (own === undefined || entries.length === 0) return;
    const statements = entries.map(({ bytes }) => bytes);
    for (const name of this.#means.others()) {
      this.#sendEntries(name, own, entries, "brokers");
      // Where no path works, the brokers have it already.
      for (const datagram of writeStatements(own.network, statements, PATH_BYTES))
        void this.#means.tellOnPath(name, datagram);
    }
  }

  /** Compares rosters with some others. */
  compare(): void {
    this.#compareWith(PEERS_A_ROUND);
  }

  /** Tells some others that there is news. */
  passOn(): void {
    this.#compareWith(PASSED_TO);
  }

  #answer(name: string, message: SyncMessage & { type: "summary" }, own: Roster, by: Way): void {
    const lacking = own.missing(message.marks);
    if (lacking.length > 0)
      this.#sendEntries(name, own, lacking, by, () => this.#answers.take(name, this.#means.now()));
    if (message.wantsAnswer || own.isBehind(message.marks))
      void this.#send(name, [writeSummary(own.network, own.marks(), false)], by);
  }

  #compareWith(count: number): void {
    const others = [...this.#means.others()];
    for (let i = 0; i < count && others.length > 0; i++) {
      const [name] = others.splice(Math.floor(this.#means.random() * others.length), 1);
      if (name !== undefined) this.greet(name);
    }
  }

  /** @param maySend - asked for each message. What comes first is needed by what comes later. */
  #sendEntries(
    name: string,
    own: Roster,
    entries: readonly Entry[],
    by: Way,
    maySend: () => boolean = () => true,
  ): void {
    const statements = entries.map(({ bytes }) => bytes);
    const datagrams = writeStatements(own.network, statements, PATH_BYTES);
    const isShort = by === "path" && datagrams.length <= MAX_DATAGRAMS;
    const messages = isShort ? datagrams : writeStatements(own.network, statements, BROKER_BYTES);
    void this.#send(name, messages.filter(maySend), isShort ? "path" : "brokers");
  }

  /** @param by - default: the path in use where there is one, else the brokers */
  async #send(name: string, messages: readonly Uint8Array[], by?: Way): Promise<void> {
    for (const message of messages) {
      const told = by === "brokers" ? undefined : this.#means.tellOnPath(name, message);
      if (await told) continue;
      await this.#means.tellOverBrokers(name, message);
    }
  }
}
