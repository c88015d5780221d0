/**
 * Every error this library throws or rejects with, so that a caller can tell
 * them apart by `code` and typed fields instead of by their text.
 */

/** The stable codes of {@link SidewireError}. */
export type SidewireErrorCode =
  /** An option of the router, a pipe or a send is of the wrong type or out of range. */
  | "INVALID_OPTION"
  /** Not a peer's address: a compressed secp256k1 public key in hex or bech32m. The error says where a typo is. */
  | "INVALID_ADDRESS"
  /** Not a secp256k1 secret key, or an identity without a usable public key or `sign`. */
  | "INVALID_KEY"
  /** A broker pool, or one entry of it, is malformed. */
  | "INVALID_POOL"
  /** The broker hints are no list. */
  | "INVALID_HINT"
  /** A field of a packet to be packed is out of range, or the signer gave no 64-byte signature. */
  | "INVALID_PACKET"
  /** The option exists, but not on this platform (`nic` in a browser). */
  | "UNSUPPORTED"
  /** The message is longer than `maxMessageBytes`. */
  | "MESSAGE_TOO_LARGE"
  /** The router was not started yet. */
  | "NOT_STARTED"
  /** The router or the pipe was closed. */
  | "CLOSED"
  /** The caller's `AbortSignal` fired; `cause` is the signal's reason. */
  | "ABORTED"
  /** No broker could be reached; see {@link NoBrokerError}. */
  | "NO_BROKER"
  /** No acknowledgement came in time; see {@link NoAckError}. */
  | "NO_ACK"
  /** One broker failed; see {@link BrokerError}. */
  | "BROKER"
  /** No time server answered. */
  | "NO_TIME";

/**
 * The base class of all errors of this library.
 *
 * @example
 * ```ts
 * try {
 *   await router.start();
 * } catch (error) {
 *   if (error instanceof SidewireError && error.code === "NO_BROKER") retryLater();
 * }
 * ```
 */
export class SidewireError extends Error {
  /** The name of the class. */
  override readonly name: string = "SidewireError";
  /** What kind of error this is; never changes between versions. */
  readonly code: SidewireErrorCode;

  constructor(code: SidewireErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The codes that {@link InvalidInputError} can carry. */
export type InvalidInputCode = Extract<SidewireErrorCode, `INVALID_${string}`>;

/** A value from the caller that cannot be used: names where it stood and what was wanted. */
export class InvalidInputError extends SidewireError {
  override readonly name = "InvalidInputError";
  /** Where the value stood, such as `IPv4["broker.example.com"].port`. */
  readonly path: string;

  constructor(code: InvalidInputCode, path: string, problem: string, options?: { cause?: unknown }) {
    super(code, `${path}: ${problem}`, options);
    this.path = path;
  }
}

/** The caller's `AbortSignal` fired. Named like the platform's own, so `error.name === "AbortError"` holds. */
export class AbortError extends SidewireError {
  override readonly name = "AbortError";

  constructor(reason: unknown) {
    super("ABORTED", "the operation was aborted", { cause: reason });
  }
}

/** Which broker an error, a receipt or an event speaks of. Never carries credentials. */
export interface BrokerAddress {
  /** The family it is spoken to over. */
  readonly family: "IPv4" | "IPv6";
  /** Its host as the pool or the hint spells it. */
  readonly host: string;
  /** The plain MQTT port, where the broker has one. */
  readonly port?: number;
}

/** Why a connection to a broker failed or ended. */
export type BrokerFailure =
  /** The name did not resolve, or a hinted one leads to a private address. */
  | "dns"
  /** The connection was refused, or reset or closed before the broker answered. */
  | "unreachable"
  /** TLS failed: mostly a certificate that cannot be trusted. */
  | "tls"
  /** An HTTP answer in the place of a WebSocket; see `httpStatus`. */
  | "http"
  /** What answered is not MQTT: a captive portal, or another service. */
  | "not-mqtt"
  /** No answer within the connect timeout. */
  | "timeout"
  /** The broker answered CONNECT with a refusal; see `returnCode`. */
  | "refused"
  /** The broker did not grant the subscription at QoS 1. */
  | "subscription"
  /** An established session ended. */
  | "lost"
  /** What came is not what MQTT 3.1.1 lets a broker send here. */
  | "protocol"
  /** It sent more than could be read. */
  | "flood"
  /** The broker speaks no transport this platform may use. */
  | "transport";

/** What a {@link BrokerError} knows besides its reason. */
export interface BrokerErrorDetails {
  /** What it came from. */
  readonly cause?: unknown;
  /** The CONNACK return code. */
  readonly returnCode?: number | undefined;
  /** The HTTP status. */
  readonly httpStatus?: number | undefined;
  /** When to try again at the soonest, ms. */
  readonly retryAfterMs?: number | undefined;
}

/** One broker failed. */
export class BrokerError extends SidewireError {
  override readonly name = "BrokerError";
  /** What kind of failure it was. */
  readonly reason: BrokerFailure;
  /** The CONNACK return code, when `reason` is `"refused"`. */
  readonly returnCode: number | undefined;
  /** The HTTP status, when `reason` is `"http"`. */
  readonly httpStatus: number | undefined;
  /** For how long the server asked to be left alone (`Retry-After`), ms. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: BrokerFailure, message: string, details: BrokerErrorDetails = {}) {
    super("BROKER", message, details);
    this.reason = reason;
    this.returnCode = details.returnCode;
    this.httpStatus = details.httpStatus;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** One line of a {@link NoBrokerError}: a broker and why it could not be used. */
export interface UnreachableBroker extends BrokerAddress {
  /** Why, in words. */
  readonly error: string;
}

/** `start` or `pipe` found no broker that works; lists each one's reason. */
export class NoBrokerError extends SidewireError {
  override readonly name = "NoBrokerError";
  /** Every broker that was tried. */
  readonly brokers: readonly UnreachableBroker[];

  constructor(brokers: readonly UnreachableBroker[]) {
    const reasons = brokers.map((b) => `${b.family} ${b.host}: ${b.error}`).join("; ");
    super("NO_BROKER", `no broker could be reached${reasons && ` (${reasons})`}`);
    this.brokers = brokers;
  }
}

/** What one broker did for a message that was not acknowledged. */
export interface AttemptReport extends BrokerAddress {
  /** How often the message was published there. */
  readonly publishes: number;
  /** Why it was not published, or not again; absent when it was published and no ACK came. */
  readonly error?: string | undefined;
}

/** A message was not acknowledged in time; lists what each broker did. */
export class NoAckError extends SidewireError {
  override readonly name = "NoAckError";
  /** The destination's address. */
  readonly to: string;
  /** What each broker did, in the order of their turn. */
  readonly brokers: readonly AttemptReport[];

  constructor(
    to: string,
    timeoutMs: number,
    brokers: readonly AttemptReport[],
    untried = "no broker to try",
  ) {
    const tried = brokers.map(
      (b) => `${b.family} ${b.host}: ${b.error ?? `published ${b.publishes}×, no ACK`}`,
    );
    super("NO_ACK", `no ACK from ${to} within ${timeoutMs} ms (${tried.join("; ") || untried})`);
    this.to = to;
    this.brokers = brokers;
  }
}
