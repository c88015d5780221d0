import { setTimeout as delay } from "node:timers/promises";
import { type BrokerPool, Keypair, Router } from "sidewire";
import { MeshError } from "../errors.js";
import { Roster } from "../roster/roster.js";
import type { SigningKey } from "../roster/signing-key.js";
import { viewOf } from "../roster/view.js";
import { formatKey, publicKeyOf } from "../wireguard-key.js";
import { joinKeysOf, meetingPlaceOf } from "./invite-keys.js";
import { type JoinAnswer, type JoinPart, readJoinAnswer, writeJoinRequest } from "./join-message.js";
import type { Token } from "./token.js";

/** How often the request is repeated, in ms, without an answer and while the newcomer waits for its approval. */
const AGAIN_MS = 4000;
/** After this time without an answer, the user is told so, in ms. */
const SILENT_MS = 10_000;

/** The input of a join. */
export interface Joining {
  readonly token: Token;
  /** The newcomer's WireGuard key, 32 bytes. */
  readonly privateKey: Uint8Array;
  readonly key: SigningKey;
  readonly name: string;
  /** Whether a person chose the name, and accepts no other one. */
  readonly isNameFixed: boolean;
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  readonly signal: AbortSignal;
  /** Called with a sentence for a person, while the join goes on. */
  readonly onNote: (text: string) => void;
}

/**
 * Asks to become a member, until there is an answer.
 * @returns the network's roster, which contains the newcomer
 * @throws {@link MeshError} `REFUSED`, `ABORTED`, `INVALID_OPTION`
 */
export async function join(joining: Joining): Promise<Roster> {
  const { token, privateKey, key, name, isNameFixed, brokers, getTime, signal, onNote } = joining;
  if (token.expires * 1000 <= getTime()) throw refused("expired", joining);
  const own = publicKeyOf(privateKey);
  if (formatKey(own) === formatKey(token.admin))
    throw new MeshError("INVALID_OPTION", "this token was made on this very host: use it on another one");
  const keys = joinKeysOf(token.secret, privateKey, token.admin, own, token.admin);
  const to = Buffer.from(meetingPlaceOf(token.secret).publicKey).toString("hex");
  const request = writeJoinRequest(keys, own, { name, isNameFixed }, key);
  const answers = new Answers();
  await using router = new Router(Keypair.generate(), {
    ...{ getTime, brokers, encrypt: true, requireEncryption: true, gapTimeoutMs: 0 },
    accept: (from) => from === to,
    onMessage: ({ data }) => {
      const part = readJoinAnswer(keys, request, data);
      if (part !== undefined) answers.take(part);
    },
  });
  // The router goes on trying when no broker answers.
  router.start().catch(() => {});
  const silent = setTimeout(
    () =>
      onNote(
        "No answer from the host that invited: is sidewire-mesh up there? Going on trying. Ctrl-C ends it.",
      ),
    SILENT_MS,
  );
  try {
    for (;;) {
      signal.throwIfAborted();
      void ask(router, to, request, signal);
      const answer = await answers.next(AGAIN_MS, signal);
      if (answer !== undefined) clearTimeout(silent);
      if (answer === "waiting") {
        if (answers.isFirst("waiting")) onNote(`Waiting until an admin says: sidewire-mesh approve ${name}`);
        await delay(AGAIN_MS / 2, undefined, { signal });
      } else if (answer === "member") {
        const roster = rosterOf(answers.statements);
        if (roster !== undefined && viewOf(roster).members.has(formatKey(own))) return roster;
      } else if (answer !== undefined) throw refused(answer, joining);
    }
  } catch (error) {
    if (signal.aborted) throw new MeshError("ABORTED", "it was interrupted", { cause: error });
    throw error;
  } finally {
    clearTimeout(silent);
  }
}

async function ask(router: Router, to: string, request: Uint8Array, signal: AbortSignal): Promise<void> {
  try {
    const pipe = await router.pipe(to, { useCache: true, signal });
    await pipe.send(request, { signal });
  } catch {
    // Without a broker the request is repeated later.
  }
}

function rosterOf([founding, ...rest]: readonly Uint8Array[]): Roster | undefined {
  const roster = founding && Roster.from(founding);
  for (const one of rest) roster?.add(one);
  return roster;
}

/** Collects the parts of answers. */
class Answers {
  readonly #parts = new Map<number, JoinPart>();
  readonly #seen = new Set<JoinAnswer>();
  #whole: JoinAnswer | undefined;
  statements: readonly Uint8Array[] = [];
  #wake: () => void = () => {};

  take(part: JoinPart): void {
    // A later answer may have more parts than an earlier one.
    const [first] = this.#parts.values();
    if (first?.parts !== part.parts || first.answer !== part.answer) this.#parts.clear();
    this.#parts.set(part.part, part);
    if (this.#parts.size < part.parts) return;
    const parts = [...this.#parts.values()].toSorted((one, other) => one.part - other.part);
    this.statements = parts.flatMap(({ statements }) => statements);
    this.#whole = part.answer;
    this.#parts.clear();
    this.#wake();
  }

  /** The next complete answer; undefined when none comes within `ms` milliseconds. */
  async next(ms: number, signal: AbortSignal): Promise<JoinAnswer | undefined> {
    const over = new AbortController();
    if (this.#whole === undefined)
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        delay(ms, undefined, { signal: AbortSignal.any([signal, over.signal]) }),
      ]);
    over.abort();
    const answer = this.#whole;
    this.#whole = undefined;
    return answer;
  }

  /** Whether this answer is asked about for the first time. */
  isFirst(answer: JoinAnswer): boolean {
    const isNew = !this.#seen.has(answer);
    this.#seen.add(answer);
    return isNew;
  }
}

function refused(answer: JoinAnswer, { token, name }: Joining): MeshError {
  const again = "ask for a new token (sidewire-mesh invite)";
  const words: Readonly<Record<JoinAnswer, string>> = {
    member: "",
    waiting: "",
    used: `this token has been used up: ${again}`,
    expired: `this token has expired: ${again}`,
    "name-taken": `a member of ${token.network} is called ${name} already: choose another one with --name`,
    removed: `this host's key was removed from ${token.network}, which is final: move its key file away, and join again`,
    full: `${token.network} has no room for more members`,
    "no-admin": `the host that made this token is no admin of ${token.network} any more: ask another one for a token`,
  };
  return new MeshError("REFUSED", words[answer]);
}
