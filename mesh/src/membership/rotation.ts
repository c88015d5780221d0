import { setTimeout as delay } from "node:timers/promises";
import { MeshError } from "../errors.js";
import { type View, viewOf } from "../roster/view.js";
import { formatKey, parseKey, publicKeyOf } from "../wireguard-key.js";
import type { KeyExchange } from "./key-exchange.js";
import type { KeyFile } from "./key-file.js";
import type { Place } from "./place.js";
import type { MembershipReply } from "./requests.js";
import { type RotateAnswer, type RotateMessage, writeRotateRequest } from "./rotate-message.js";
import { isSyncMessage, readSyncMessage, writeSummary } from "./sync-message.js";

/** The pause between requests at first, in ms; how many requests have this pause; and the pause after that. */
const AGAIN_MS = 2000;
const EAGER_TIMES = 15;
const LATER_MS = 30_000;
/** How long a person waits for the outcome, in ms. */
const PATIENCE_MS = 30_000;
/** The maximum number of members to which an admin sends its own new key directly. */
const MOST_CALLED = 8;

/** The channels to other members over the brokers, under the new key. */
export interface NextChannels {
  post(name: string, bytes: Uint8Array): void;
  /** Resolves when none of them listens any more. */
  close(): Promise<void>;
}

/** What a change of the own key needs. Members are named by their WireGuard keys in base64. */
export interface RotationMeans {
  readonly place: Place;
  readonly exchange: KeyExchange;
  readonly keyFile: KeyFile;
  /** Runs changes of the roster one after the other. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
  /** Sends a message to a member under the current key, by all ways. */
  readonly tell: (name: string, bytes: Uint8Array) => void;
  readonly openNext: (
    privateKey: Uint8Array,
    onHeard: (name: string, bytes: Uint8Array) => void,
  ) => NextChannels;
  /** Handles statements that came in under the new key. */
  readonly hear: (name: string, bytes: Uint8Array) => void;
  /** Gives the interface another key. */
  readonly setKey: (privateKey: Uint8Array) => Promise<void>;
  /** Called when the interface has the new key, so that everything that depends on the own key is renewed. */
  readonly onChanged: () => void;
  readonly onError: (error: unknown) => void;
}

/** A key that will replace the own one. */
interface Next {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  /** The public key, in base64. */
  readonly name: string;
  readonly channels: NextChannels;
  /** Whether another host has sent something to the new key. Then the others can learn it without this host. */
  isKnown: boolean;
  /** Why an admin refused. */
  refusal: string | undefined;
  /** Whether the refusal is final. */
  isRefused: boolean;
  /** The number of requests so far. */
  turn: number;
}

/**
 * Changes the own WireGuard key. The new key is written to the disk first. Then this host asks an admin for it under
 * the old key, again and again, and listens under both keys.
 *
 * The interface gets the new key when the roster has it and another host has that roster. Until then the others know
 * only the old key. So after any loss or crash, the change goes on with the same new key.
 */
export class Rotation {
  readonly #means: RotationMeans;
  #next: Next | undefined;
  #settling: Promise<void> = Promise.resolve();
  /** The callers that wait for the outcome. */
  readonly #waiting = new Set<() => void>();
  /** Ends the pause before the next request. */
  #pause = new AbortController();
  #isClosed = false;

  constructor(means: RotationMeans) {
    this.#means = means;
  }

  /** Continues a change of an earlier start. */
  async start(): Promise<void> {
    const next = await this.#means.keyFile.readNext();
    const own = this.#means.place.means.keys();
    if (next === undefined || own === undefined || this.#means.place.means.file.roster === undefined) return;
    if (Buffer.compare(publicKeyOf(next), own.publicKey) === 0) await this.#means.keyFile.endNext();
    else if (await this.#isKept()) this.#begin(next);
    await this.settle();
  }

  close(): void {
    this.#isClosed = true;
    this.#pause.abort();
    this.#wake();
    void this.#next?.channels.close();
  }

  /**
   * Gives this host a new key.
   * @throws {@link MeshError} `NO_NETWORK`, `INVALID_OPTION`, `REFUSED`, `TIMEOUT`, `FILE`
   */
  async rotate(): Promise<MembershipReply> {
    const { place, inTurn } = this.#means;
    const { view } = place;
    if (view === undefined || place.ownKey === undefined) throw place.noNetwork();
    const self = view.members.get(place.ownKey);
    if (self === undefined)
      throw new MeshError("REFUSED", `this host was removed from ${view.name}: it has nothing to change`);
    // Two callers at the same time get the same key.
    const next = await inTurn(() => this.#prepare(self.name));
    await this.#outcome(next);
    return {
      did: "done",
      text: `${self.name} has a new key: ${next.name}. The old one never comes back.`,
    };
  }

  /** The running change, or a new one. */
  async #prepare(name: string): Promise<Next> {
    const next = this.#next;
    if (next !== undefined) {
      next.refusal = undefined;
      next.isRefused = false;
      next.turn = 0;
      this.#pause.abort();
      return next;
    }
    if (!(await this.#isKept())) throw this.#notKept(name);
    return this.#begin(await this.#means.keyFile.readOrMakeNext());
  }

  /** Handles an admin's answer. Answers of other members are ignored. */
  hearAnswer(name: string, { network, next, answer }: RotateMessage & { type: "answer" }): void {
    const { view, means } = this.#means.place;
    const mine = this.#next;
    if (mine === undefined || view === undefined || !view.members.get(name)?.isAdmin) return;
    if (Buffer.compare(next, mine.publicKey) !== 0) return;
    if (Buffer.compare(network, means.file.roster?.network ?? new Uint8Array()) !== 0) return;
    if (answer === "done") {
      // The admin now listens under the new key.
      this.#greet(mine, [name]);
      return;
    }
    mine.refusal = refusal(answer, this.#means.place.nameOf(name), view.name);
    mine.isRefused = FINAL.has(answer);
    this.#wake();
  }

  /** Changes the key if the roster has the new one. */
  async settle(): Promise<void> {
    const settling = this.#settling.then(
      () => this.#settle(),
      () => this.#settle(),
    );
    this.#settling = settling.catch(() => {});
    await settling;
  }

  async #settle(): Promise<void> {
    const { place, keyFile, setKey, onChanged } = this.#means;
    const next = this.#next;
    const { roster } = place.means.file;
    if (next === undefined || roster === undefined || this.#isClosed) return;
    const view = viewOf(roster);
    if (!view.members.has(next.name) || !this.#isKnown(next, view)) return;
    // From now on, a start uses the new key.
    await keyFile.put(next.privateKey);
    // Two listeners at one address would take messages from each other.
    await next.channels.close();
    await setKey(next.privateKey);
    await keyFile.endNext();
    this.#next = undefined;
    onChanged();
    this.#wake();
  }

  /** Whether the others can learn the new key from another host than this one. */
  #isKnown(next: Next, view: View): boolean {
    const { place } = this.#means;
    const { roster } = place.means.file;
    const isSaidByOther = roster?.taken.some(
      ({ admin, subject, statement }) =>
        subject === next.name && statement.fields.replaces !== undefined && admin !== place.signer,
    );
    return isSaidByOther === true || next.isKnown || view.members.size === 1;
  }

  #begin(privateKey: Uint8Array): Next {
    const publicKey = publicKeyOf(privateKey);
    const channels = this.#means.openNext(privateKey, (name, bytes) => this.#hear(name, bytes));
    const next: Next = {
      ...{ privateKey, publicKey, name: formatKey(publicKey), channels },
      ...{ isKnown: false, refusal: undefined, isRefused: false, turn: 0 },
    };
    this.#next = next;
    void this.#goOn(next);
    return next;
  }

  async #goOn(next: Next): Promise<void> {
    while (this.#next === next && !this.#isClosed) {
      this.#pause = new AbortController();
      const { signal } = this.#pause;
      try {
        await this.settle();
        if (this.#next === next) await this.#ask(next, next.turn++);
      } catch (error) {
        this.#means.onError(error);
      }
      const isEager = next.turn < EAGER_TIMES && !next.isRefused;
      await delay(isEager ? AGAIN_MS : LATER_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  async #ask(next: Next, turn: number): Promise<void> {
    const { place, exchange, inTurn, tell } = this.#means;
    const { file } = place.means;
    const { view } = place;
    const own = place.means.keys();
    if (view === undefined || file.roster === undefined || own === undefined) return;
    const others = place.others();
    const admins = others.filter(({ isAdmin }) => isAdmin);
    if (view.admins.has(place.signer)) {
      await inTurn(() => exchange.replaceOwn(next.publicKey));
      const called = others.toSorted(() => Math.random() - 0.5).slice(0, MOST_CALLED);
      this.#greet(next, called.map(keyOf));
      return;
    }
    const admin = admins[turn % Math.max(1, admins.length)];
    if (admin !== undefined && !view.members.has(next.name)) {
      const { network } = file.roster;
      const asked = {
        network,
        before: own.publicKey,
        next: next.publicKey,
        admin: parseKey(admin.publicKey),
      };
      tell(admin.publicKey, writeRotateRequest(asked, next.privateKey, file.key));
    }
    // The answer may have been lost. An admin that has the new key sends the roster to that key.
    this.#greet(next, admins.map(keyOf));
  }

  /** Asks for missing statements under the new key. A host that answers knows the key. */
  #greet({ channels }: Next, names: readonly string[]): void {
    const { roster } = this.#means.place.means.file;
    if (roster === undefined) return;
    const summary = writeSummary(roster.network, roster.marks(), true);
    for (const name of names) channels.post(name, summary);
  }

  /** Handles a message to the new key. Only hosts that know whose key it is can send one. */
  #hear(name: string, bytes: Uint8Array): void {
    const next = this.#next;
    if (next === undefined || this.#isClosed) return;
    next.isKnown = true;
    // Questions to the new key are answered when it is the own key.
    const isNews = isSyncMessage(bytes) && readSyncMessage(bytes)?.type === "statements";
    if (isNews) this.#means.hear(name, bytes);
    void this.settle().catch(this.#means.onError);
  }

  /** Resolves when the interface has the key. */
  async #outcome(next: Next): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    while (this.#next === next) {
      const left = until - performance.now();
      if (next.isRefused) throw new MeshError("REFUSED", next.refusal ?? "an admin said no");
      if (this.#isClosed)
        throw new MeshError("CLOSED", "the daemon has ended: its next start goes on with it");
      if (left <= 0) throw this.#noAnswer(next);
      const woken = new AbortController();
      const wake = (): void => woken.abort();
      this.#waiting.add(wake);
      await delay(left, undefined, { signal: woken.signal, ref: false }).catch(() => {});
      this.#waiting.delete(wake);
    }
  }

  /** Wakes the waiting callers, so that they look again. */
  #wake(): void {
    for (const wake of this.#waiting) wake();
  }

  #noAnswer({ refusal: said }: Next): MeshError {
    const { place } = this.#means;
    const others = place.others();
    const isAdmin = place.view?.admins.has(place.signer) === true;
    const asked = isAdmin ? others : others.filter((one) => one.isAdmin);
    const names = asked.slice(0, MOST_CALLED).map(({ name }) => name);
    const why =
      said ??
      (isAdmin
        ? `no other member has heard of the new key yet (${names.join(", ")})`
        : `no admin has answered yet (${names.join(", ") || "there is none"})`);
    return new MeshError(
      "TIMEOUT",
      `${why}. The old key stays in use until then, and the daemon goes on trying, also after a restart`,
    );
  }

  /** Whether the interface's key is the one that `join` made. */
  async #isKept(): Promise<boolean> {
    const own = this.#means.place.means.keys();
    const kept = await this.#means.keyFile.read();
    return kept !== undefined && own !== undefined && Buffer.compare(publicKeyOf(kept), own.publicKey) === 0;
  }

  #notKept(name: string): MeshError {
    const { interface: interfaceName } = this.#means.place.means;
    return new MeshError(
      "INVALID_OPTION",
      `the key of ${interfaceName} was made by somebody else than sidewire-mesh join, and would be put back by whoever ` +
        `keeps it: let another admin remove ${name}, and join again with a new token, which makes a key that can be changed`,
    );
  }
}

/** Answers that no other admin and no later time would change. */
const FINAL: ReadonlySet<RotateAnswer> = new Set<RotateAnswer>([
  ...(["removed", "replaced", "taken", "too-many", "full"] as const),
]);

function keyOf({ publicKey }: { readonly publicKey: string }): string {
  return publicKey;
}

function refusal(answer: RotateAnswer, admin: string, network: string): string {
  const again = "let an admin remove this host, and join again with a new token";
  const words: Readonly<Record<RotateAnswer, string>> = {
    done: "",
    "no-admin": `${admin} is no admin of ${network} any more`,
    "no-member": `${admin} does not know this host as a member of ${network} yet`,
    removed: `this host was removed from ${network}: move its key file away, and join again with a new token`,
    replaced: `this host's key has been replaced by another one already, which is not on this host: ${again}`,
    taken: `the new key is, or was, a member's of ${network}: ${again}`,
    unproven: `${admin} does not believe that both keys are this host's`,
    "too-many": `this host has had as many keys as ${network} remembers of a member: ${again}`,
    full: `the roster of ${network} has no room for more: found a new network`,
  };
  return words[answer];
}
