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

/** The limit for messages of one peer that are read. A whole roster comes in fewer messages. */
const PER_PEER = { perSecond: 2, burst: 64 } as const;
/**
 * The limit for messages with statements to one peer that says it lacks them: 4 MiB at once, which is as much as all
 * statements of a usual network, and then 16 KiB a second. The peer gets the rest when it asks later.
 */
const ANSWERS = { perSecond: 0.5, burst: 128 } as const;
/** The limit for comparisons of rosters with one peer because of a different hash. */
const GREETINGS = { perSecond: 1 / 60, burst: 2 } as const;
/** How often rosters are compared without a change, in ms. */
export const COMPARE_MS = 60_000;
/** The number of peers in such a comparison. */
const PEERS_A_ROUND = 2;
/** The number of peers that are told of news from another host. The author of the news tells everybody itself. */
const PASSED_TO = 4;
/** The maximum number of datagrams in a row on a path. More data goes over the brokers. */
const MAX_DATAGRAMS = 8;

/** The way by which a message comes or goes. */
export type Way = "path" | "brokers";

/** What comparing rosters needs. Peers are named by their WireGuard keys in base64. */
export interface SyncMeans {
  /** Returns monotonic ms. */
  readonly now: () => number;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
  readonly roster: () => Roster | undefined;
  /** Returns the members besides this host. */
  readonly others: () => readonly string[];
  /** @returns undefined when no path works, otherwise whether the peer has received the message */
  readonly tellOnPath: (name: string, bytes: Uint8Array) => Promise<boolean> | undefined;
  readonly tellOverBrokers: (name: string, bytes: Uint8Array) => Promise<boolean>;
  /** Handles statements. */
  readonly take: (name: string, statements: readonly Uint8Array[]) => void;
  /** Called when a peer has said how far it knows the roster. */
  readonly onSummary: (name: string, marks: readonly Mark[]) => void;
  /** Called when this host knows everything that a peer knew when it sent its summary. */
  readonly onLevel: (name: string) => void;
  /** Called when a peer is in another network. */
  readonly onForeign: (name: string) => void;
}

/** Members tell each other how far they know the roster. The member that knows more sends the missing statements. */
export class Sync {
  readonly #means: SyncMeans;
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #answers = new Budgets(ANSWERS.perSecond, ANSWERS.burst, Number.POSITIVE_INFINITY);
  readonly #greetings = new Budgets(GREETINGS.perSecond, GREETINGS.burst, Number.POSITIVE_INFINITY);
  /** The last summaries of peers that knew more than this host. */
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

  /** Handles a message of a peer about the roster. */
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
    // Hosts that are not members get no answer.
    if (others().includes(name)) this.#answer(name, message, own, by);
    if (own.isBehind(message.marks)) this.#ahead.set(name, message.marks);
    else this.#means.onLevel(name);
  }

  /** A hash of how far this host knows the roster, 32 bytes. Hosts that know the same have the same hash. */
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

  /** Must be called when a peer has told its hash of the roster. */
  hearHash(name: string, hash: Uint8Array): void {
    const own = this.hash;
    if (own === undefined || Buffer.compare(own, hash) === 0) return;
    if (this.#greetings.take(name, this.#means.now())) this.greet(name);
  }

  /** Finds the peers that do not know more than this host any longer. */
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

  /** Sends new statements of this host to every member, by both ways at once. */
  push(entries: readonly Entry[]): void {
    const own = this.#means.roster();
    if (own === undefined || entries.length === 0) return;
    const statements = entries.map(({ bytes }) => bytes);
    for (const name of this.#means.others()) {
      this.#sendEntries(name, own, entries, "brokers");
      // Without a working path, the brokers have the message already.
      for (const datagram of writeStatements(own.network, statements, PATH_BYTES))
        void this.#means.tellOnPath(name, datagram);
    }
  }

  /** Compares rosters with some other members. */
  compare(): void {
    this.#compareWith(PEERS_A_ROUND);
  }

  /** Tells some other members that there is news. */
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

  /** @param maySend - called for each message; earlier messages are needed for later ones */
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

  /** @param by - default: the path in use if there is one, otherwise the brokers */
  async #send(name: string, messages: readonly Uint8Array[], by?: Way): Promise<void> {
    for (const message of messages) {
      const told = by === "brokers" ? undefined : this.#means.tellOnPath(name, message);
      if (await told) continue;
      await this.#means.tellOverBrokers(name, message);
    }
  }
}
