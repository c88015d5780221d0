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

/** Requests of one newcomer that are answered: it asks every 2 s at most, and a member is sent the whole roster. */
const PER_NEWCOMER = { perSecond: 0.5, burst: 4 } as const;
/** Newcomers that are counted: more than can prove their keys in the 8 s that each is remembered for. */
const MAX_NEWCOMERS = 16_384;

/** What invitations work with. */
export interface InvitesMeans {
  readonly openAddress: OpenAddress;
  /** The host's WireGuard keys, as they are now. */
  readonly keys: () => { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } | undefined;
  /** Decides about a newcomer; what it decides is on the disk when this resolves. */
  readonly admit: (secret: string, publicKey: Uint8Array, request: JoinRequest) => Promise<JoinAnswer>;
  /** All statements of the network. */
  readonly statements: () => readonly Uint8Array[];
  readonly onError: (error: unknown) => void;
}

/** Listens for newcomers, for each invitation at an address of its own. */
export class Invites {
  readonly #means: InvitesMeans;
  readonly #open = new Map<string, Router>();
  readonly #ofNewcomer = new Budgets(PER_NEWCOMER.perSecond, PER_NEWCOMER.burst, MAX_NEWCOMERS);

  constructor(means: InvitesMeans) {
    this.#means = means;
  }

  /** Listens for these invitations, and for no others any more. */
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
      // Newcomers have addresses that nobody knows yet. What they say has to be sealed by the token's secret.
      accept: () => true,
      onMessage: (message) => {
        this.#hear(secret, message.data, async (bytes) => void (await message.reply(bytes))).catch(
          this.#means.onError,
        );
      },
    });
    this.#open.set(secret, router);
    // It goes on trying when no broker answers.
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
      // A key of low order.
      return;
    }
    const request = readJoinRequest(keys, bytes);
    const name = formatKey(newcomer);
    if (request === undefined || name === formatKey(publicKey)) return;
    // Counted by keys that are proven: nobody uses up what is another one's.
    if (!this.#ofNewcomer.take(name, performance.now())) return;
    const answer = await this.#means.admit(secret, newcomer, request);
    const statements = answer === "member" ? this.#means.statements() : [];
    for (const part of writeJoinAnswer(keys, bytes, answer, statements)) await reply(part);
  }
}
