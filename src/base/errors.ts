/**
 * All errors that this library throws or rejects with. A caller tells them apart by `code` and typed fields, not by
 * their text.
 */

/** The stable codes of {@link SidewireError}. */
export type SidewireErrorCode =
  /** An option of the router, a pipe or a send has the wrong type or is out of range. */
  | "INVALID_OPTION"
  /**
   * Not a peer's address. An address is a compressed secp256k1 public key in hex or bech32m. The error says where the
   * typo is.
   */
  | "INVALID_ADDRESS"
  /** Not a secp256k1 secret key, or an identity without a usable public key or `sign`. */
  | "INVALID_KEY"
  /** A broker pool, or one entry of it, is malformed. */
  | "INVALID_POOL"
  /** The broker hints are not a list. */
  | "INVALID_HINT"
  /** A field of a packet to pack is out of range, or the signer returned no 64-byte signature. */
  | "INVALID_PACKET"
  /** The option exists, but not on this platform, such as `nic` in a browser. */
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
  | "NO_TIME"
  /** No channel to a peer was opened in time; `cause` is the last failure. */
  | "NO_PEER";

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
  /** The kind of error. Codes never change between versions. */
  readonly code: SidewireErrorCode;

  constructor(code: SidewireErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The codes that {@link InvalidInputError} can carry. */
export type InvalidInputCode = Extract<SidewireErrorCode, `INVALID_${string}`>;

/** A value from the caller cannot be used. The error names the place of the value and what was expected there. */
export class InvalidInputError extends SidewireError {
  override readonly name = "InvalidInputError";
  /** The place of the value, such as `IPv4["broker.example.com"].port`. */
  readonly path: string;

  constructor(code: InvalidInputCode, path: string, problem: string, options?: { cause?: unknown }) {
    super(code, `${path}: ${problem}`, options);
    this.path = path;
  }
}

/** The caller's `AbortSignal` fired. The name is the same as the platform's, so `error.name === "AbortError"` holds. */
export class AbortError extends SidewireError {
  override readonly name = "AbortError";

  constructor(reason: unknown) {
    super("ABORTED", "the operation was aborted", { cause: reason });
  }
}

/** The broker that an error, a receipt or an event is about. Never contains credentials. */
export interface BrokerAddress {
  /** The address family of the connection to the broker. */
  readonly family: "IPv4" | "IPv6";
  /** The broker's host, spelled as in the pool or in the hint. */
  readonly host: string;
  /** The port for plain MQTT, if the broker has one. */
  readonly port?: number;
}

/** Why a connection to a broker failed or ended. */
export type BrokerFailure =
  /** The name did not resolve, or the name came from a hint and leads to a private address. */
  | "dns"
  /** The connection was refused, or was reset or closed before the broker answered. */
  | "unreachable"
  /** TLS failed, in most cases because the certificate cannot be trusted. */
  | "tls"
  /** The server answered with HTTP instead of a WebSocket; see `httpStatus`. */
  | "http"
  /** The answer is not MQTT: it comes from a captive portal or another service. */
  | "not-mqtt"
  /** No answer came within the connect timeout. */
  | "timeout"
  /** The broker refused CONNECT; see `returnCode`. */
  | "refused"
  /** The broker did not grant the subscription at QoS 1. */
  | "subscription"
  /** An established session ended. */
  | "lost"
  /** The broker sent something that MQTT 3.1.1 does not allow here. */
  | "protocol"
  /** The broker sent more than could be read. */
  | "flood"
  /** The broker offers no transport that this platform may use. */
  | "transport";

/** What a {@link BrokerError} says besides its reason. */
export interface BrokerErrorDetails {
  /** The error that caused this one. */
  readonly cause?: unknown;
  /** The CONNACK return code, when the reason is `"refused"`. */
  readonly returnCode?: number | undefined;
  /** The HTTP status, when the reason is `"http"`. */
  readonly httpStatus?: number | undefined;
  /** How long to wait before the next try, at least, in ms. */
  readonly retryAfterMs?: number | undefined;
}

/** One broker failed. */
export class BrokerError extends SidewireError {
  override readonly name = "BrokerError";
  /** The kind of failure. */
  readonly reason: BrokerFailure;
  /** The CONNACK return code, when `reason` is `"refused"`. */
  readonly returnCode: number | undefined;
  /** The HTTP status, when `reason` is `"http"`. */
  readonly httpStatus: number | undefined;
  /** How long the server asks clients to stay away (`Retry-After`), in ms. */
  readonly retryAfterMs: number | undefined;

  constructor(reason: BrokerFailure, message: string, details: BrokerErrorDetails = {}) {
    super("BROKER", message, details);
    this.reason = reason;
    this.returnCode = details.returnCode;
    this.httpStatus = details.httpStatus;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** One entry of a {@link NoBrokerError}: a broker, and why it could not be used. */
export interface UnreachableBroker extends BrokerAddress {
  /** The reason, in words. */
  readonly error: string;
}

/** `start` or `pipe` found no broker that works. The error lists the reason for each broker. */
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

/** What happened at one broker with a message that was not acknowledged. */
export interface AttemptReport extends BrokerAddress {
  /** How many times the message was published there. */
  readonly publishes: number;
  /** Why the message was not published, or not published again. Absent when it was published and no ACK came. */
  readonly error?: string | undefined;
}

/** A message was not acknowledged in time. The error lists what happened at each broker. */
export class NoAckError extends SidewireError {
  override readonly name = "NoAckError";
  /** The destination's address. */
  readonly to: string;
  /** One report for each broker, in the order in which the brokers had their turn. */
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
