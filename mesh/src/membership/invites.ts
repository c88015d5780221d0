import type { Router } from "sidewire";
import { Budgets } from "../probe/budgets.js";
import type { OpenAddress } from "../signal/channel.js";
import { formatKey } from "../wireguard-key.js";
import { joinKeysOf, meetingPlaceOf } from "./invite-keys.js";
import {
  type JoinAnswer,
  type JoinRequest,
  newcomerOf,
  readJoinRequest,
  writeJoinAnswer,
} from "./join-message.js";
import type { Invite } from "./roster-file.js";

/**
 * The limit for answered requests of one newcomer. A newcomer asks every 2 s at most, and each answer to a member
 * contains the whole roster.
 */
const PER_NEWCOMER = { perSecond: 0.5, burst: 4 } as const;
/**
 * The maximum number of newcomers that are counted: more than can prove their keys in the 8 s for which each is
 * remembered.
 */
const MAX_NEWCOMERS = 16_384;

/** What invitations need. */
export interface InvitesMeans {
  readonly openAddress: OpenAddress;
  /** Returns the host's current WireGuard keys. */
  readonly keys: () => { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } | undefined;
  /** Decides about a newcomer. Resolves when the decision is on the disk. */
  readonly admit: (secret: string, publicKey: Uint8Array, request: JoinRequest) => Promise<JoinAnswer>;
  /** Returns all statements of the network. */
  readonly statements: () => readonly Uint8Array[];
  readonly onError: (error: unknown) => void;
}

/** Listens for newcomers. Each invitation has its own address. */
export class Invites {
  readonly #means: InvitesMeans;
  readonly #open = new Map<string, Router>();
  readonly #ofNewcomer = new Budgets(PER_NEWCOMER.perSecond, PER_NEWCOMER.burst, MAX_NEWCOMERS);

  constructor(means: InvitesMeans) {
    this.#means = means;
  }

  /** Listens for exactly these invitations. */
  set(invites: readonly Invite[]): void {
    const wanted = new Set(invites.map(({ secret }) => secret));
    for (const [secret, router] of this.#open) {
      if (wanted.has(secret)) continue;
      this.#open.delete(secret);
      void router.close({ signal: AbortSignal.abort() });
    }
    for (const secret of wanted) if (!this.#open.has(secret)) this.#listen(secret);
  }

  close(): void {
    this.set([]);
  }

  #listen(secret: string): void {
    const router = this.#means.openAddress(meetingPlaceOf(Buffer.from(secret, "base64")), {
      // The addresses of newcomers are unknown, so all are accepted. Their messages must be sealed with the token's
      // secret.
      accept: () => true,
      onMessage: (message) => {
        this.#hear(secret, message.data, async (bytes) => void (await message.reply(bytes))).catch(
          this.#means.onError,
        );
      },
    });
    this.#open.set(secret, router);
    // The router goes on trying when no broker answers.
    router.start().catch(() => {});
  }

  async #hear(secret: string, bytes: Uint8Array, reply: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const newcomer = newcomerOf(bytes);
    const own = this.#means.keys();
    if (newcomer === undefined || own === undefined) return;
    const { privateKey, publicKey } = own;
    let keys: ReturnType<typeof joinKeysOf>;
    try {
      const raw = new Uint8Array(Buffer.from(secret, "base64"));
      keys = joinKeysOf(raw, privateKey, newcomer, newcomer, publicKey);
    } catch {
      // The newcomer's key is of low order.
      return;
    }
    const request = readJoinRequest(keys, bytes);
    const name = formatKey(newcomer);
    if (request === undefined || name === formatKey(publicKey)) return;
    // Requests are counted by proven keys, so nobody can use up the limit of another newcomer.
    if (!this.#ofNewcomer.take(name, performance.now())) return;
    const answer = await this.#means.admit(secret, newcomer, request);
    const statements = answer === "member" ? this.#means.statements() : [];
    for (const part of writeJoinAnswer(keys, bytes, answer, statements)) await reply(part);
  }
}
