import { createHash, createSecretKey, type KeyObject } from "node:crypto";
import { type Attribute, SHA1_INTEGRITY, type StunMessage } from "../probe/stun-message.js";
import { MAX_TEXT_BYTES } from "./limits.js";
import { TurnAttribute } from "./turn-message.js";
import type { Credentials } from "./turn-server.js";

/** The errors by which a server asks for credentials, and for a younger nonce (RFC 8489, section 9.2). */
const UNAUTHENTICATED = 401;
const STALE_NONCE = 438;

/**
 * The long-term credentials with one server (RFC 8489, section 9.2): it says its realm and a nonce, and from then on
 * requests carry both, and are signed. A password is never sent.
 *
 * The key is made by MD5 and the signature by HMAC-SHA1: TURN servers of today know no other.
 */
export class LongTerm {
  readonly #credentials: Credentials | undefined;
  #realm: Uint8Array | undefined;
  #nonce: Uint8Array | undefined;
  #key: KeyObject | undefined;

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
  }

  /** What signs requests, and proves answers; undefined while the server has not asked for it. */
  get key(): KeyObject | undefined {
    return this.#key;
  }

  /** What a request that is signed has besides its own attributes. */
  get attributes(): readonly Attribute[] {
    const { username } = this.#credentials ?? {};
    if (username === undefined || this.#realm === undefined || this.#nonce === undefined) return [];
    return [
      [TurnAttribute.Username, Buffer.from(username)],
      [TurnAttribute.Realm, this.#realm],
      [TurnAttribute.Nonce, this.#nonce],
    ];
  }

  /**
   * The server refuses a request with an error that may be about the credentials.
   * @returns whether the request may be taken when it is sent again
   */
  takeError(answer: StunMessage): boolean {
    const code = answer.errorCode;
    const nonce = answer.attribute(TurnAttribute.Nonce);
    if (nonce === undefined || nonce.length > MAX_TEXT_BYTES || this.#credentials === undefined) return false;
    if (code === STALE_NONCE && this.#key !== undefined) {
      this.#nonce = Uint8Array.from(nonce);
      return true;
    }
    const realm = answer.attribute(TurnAttribute.Realm);
    // What was signed and is asked for again was signed with the wrong password.
    const isFirst = code === UNAUTHENTICATED && this.#key === undefined;
    if (!isFirst || realm === undefined || realm.length > MAX_TEXT_BYTES) return false;
    this.#nonce = Uint8Array.from(nonce);
    this.#realm = Uint8Array.from(realm);
    this.#key = longTermKey(this.#credentials, this.#realm);
    return true;
  }

  /** Whether an answer to a request that was signed is the server's. */
  isProven(answer: StunMessage): boolean {
    if (this.#key === undefined || answer.isSignedBy(this.#key, SHA1_INTEGRITY)) return true;
    // Who does not take the credentials has nothing to sign with.
    return answer.errorCode === UNAUTHENTICATED || answer.errorCode === STALE_NONCE;
  }
}

/** RFC 8489, section 9.2.2. */
export function longTermKey({ username, password }: Credentials, realm: Uint8Array): KeyObject {
  const hash = createHash("md5").update(`${username}:`).update(realm).update(`:${password}`);
  return createSecretKey(hash.digest());
}
