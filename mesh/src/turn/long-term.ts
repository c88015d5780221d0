import { createHash, createSecretKey, type KeyObject } from "node:crypto";
import { type Attribute, SHA1_INTEGRITY, type StunMessage } from "../probe/stun-message.js";
import { MAX_TEXT_BYTES } from "./limits.js";
import { TurnAttribute } from "./turn-message.js";
import type { Credentials } from "./turn-server.js";

/** The error codes with which a server asks for credentials, or for a newer nonce (RFC 8489, section 9.2). */
const UNAUTHENTICATED = 401;
const STALE_NONCE = 438;

/**
 * The long-term credentials for one server (RFC 8489, section 9.2). The server sends its realm and a nonce. From then
 * on requests contain both, and are signed. The password is never sent.
 *
 * The key is made with MD5, and the signature with HMAC-SHA1, because current TURN servers support nothing else.
 */
export class LongTerm {
  readonly #credentials: Credentials | undefined;
  #realm: Uint8Array | undefined;
  #nonce: Uint8Array | undefined;
  #key: KeyObject | undefined;

  constructor(credentials: Credentials | undefined) {
    this.#credentials = credentials;
  }

  /** The key that signs requests and proves answers; undefined before the server has asked for credentials. */
  get key(): KeyObject | undefined {
    return this.#key;
  }

  /** The additional attributes of a signed request. */
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
   * Handles an error that may be about the credentials.
   * @returns whether the request may succeed when it is sent again
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
    // If a signed request is refused again, it was signed with a wrong password.
    const isFirst = code === UNAUTHENTICATED && this.#key === undefined;
    if (!isFirst || realm === undefined || realm.length > MAX_TEXT_BYTES) return false;
    this.#nonce = Uint8Array.from(nonce);
    this.#realm = Uint8Array.from(realm);
    this.#key = longTermKey(this.#credentials, this.#realm);
    return true;
  }

  /** Whether an answer to a signed request comes from the server. */
  isProven(answer: StunMessage): boolean {
    if (this.#key === undefined || answer.isSignedBy(this.#key, SHA1_INTEGRITY)) return true;
    // A server that does not accept the credentials has no key for its answer.
    return answer.errorCode === UNAUTHENTICATED || answer.errorCode === STALE_NONCE;
  }
}

/** The key of long-term credentials (RFC 8489, section 9.2.2). */
export function longTermKey({ username, password }: Credentials, realm: Uint8Array): KeyObject {
  const hash = createHash("md5").update(`${username}:`).update(realm).update(`:${password}`);
  return createSecretKey(hash.digest());
}
