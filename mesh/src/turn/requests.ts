import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import {
  type Attribute,
  SHA1_INTEGRITY,
  type StunMessage,
  TRANSACTION_BYTES,
  writeStun,
} from "../probe/stun-message.js";
import { MAX_NONCES, REQUEST_AT_MS, REQUEST_GIVEN_UP_MS } from "./limits.js";
import { LongTerm } from "./long-term.js";
import { TurnClass, type TurnMethod } from "./turn-message.js";
import type { Credentials } from "./turn-server.js";

/** The result of a request. `silence` means that no valid answer came. */
export type Answer =
  | { readonly is: "success"; readonly message: StunMessage }
  | { readonly is: "error"; readonly code: number; readonly message: StunMessage }
  | { readonly is: "silence" };

/** The attributes of a request. Attributes with an address depend on the transaction. */
export type Attributes = (transaction: Uint8Array) => readonly Attribute[];

interface Pending {
  readonly method: TurnMethod;
  readonly answered: (message: StunMessage) => void;
}

/** Requests to one TURN server. They are repeated until there is an answer, and signed when the server wants that. */
export class TurnRequests {
  readonly #send: (bytes: Uint8Array) => void;
  readonly #auth: LongTerm;
  readonly #pending = new Map<string, Pending>();
  readonly #over = new AbortController();

  constructor(credentials: Credentials | undefined, send: (bytes: Uint8Array) => void) {
    this.#auth = new LongTerm(credentials);
    this.#send = send;
  }

  /** Sends a request. Never rejects. Resolves within 3.75 s for each nonce. */
  async ask(method: TurnMethod, attributes: Attributes): Promise<Answer> {
    for (let nonces = 0; ; nonces++) {
      const answer = await this.#askOnce(method, attributes);
      if (answer.is !== "error" || nonces === MAX_NONCES || !this.#auth.takeError(answer.message))
        return answer;
    }
  }

  /** Handles a message of the server. @returns whether it answers a request */
  receive(message: StunMessage): boolean {
    const pending = this.#pending.get(keyOf(message.transaction));
    if (pending === undefined) return false;
    const { method, answered } = pending;
    const isAnswer =
      message.type === (method | TurnClass.Success) || message.type === (method | TurnClass.Error);
    if (isAnswer && this.#auth.isProven(message)) answered(message);
    return true;
  }

  /** Ends all running requests with silence. */
  close(): void {
    this.#over.abort();
  }

  async #askOnce(method: TurnMethod, attributes: Attributes): Promise<Answer> {
    const transaction = new Uint8Array(randomBytes(TRANSACTION_BYTES));
    const { key } = this.#auth;
    const all = [...attributes(transaction), ...this.#auth.attributes];
    const bytes = writeStun(method | TurnClass.Request, transaction, all, key, SHA1_INTEGRITY);
    const answered = new AbortController();
    const over = AbortSignal.any([answered.signal, this.#over.signal]);
    let answer: Answer = { is: "silence" };
    this.#pending.set(keyOf(transaction), {
      method,
      answered: (message) => {
        const isSuccess = message.type === (method | TurnClass.Success);
        answer = isSuccess
          ? { is: "success", message }
          : { is: "error", code: message.errorCode ?? 0, message };
        answered.abort();
      },
    });
    for (const [i, at] of REQUEST_AT_MS.entries()) {
      if (over.aborted) break;
      this.#send(bytes);
      const pause = (REQUEST_AT_MS[i + 1] ?? REQUEST_GIVEN_UP_MS) - at;
      await wait(pause, undefined, { signal: over }).catch(() => {});
    }
    this.#pending.delete(keyOf(transaction));
    return answer;
  }
}

function keyOf(transaction: Uint8Array): string {
  return Buffer.from(transaction.buffer, transaction.byteOffset, transaction.byteLength).toString("latin1");
}
