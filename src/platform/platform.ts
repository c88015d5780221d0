import type { SecureContext } from "node:tls";
import type { Transport } from "./transports.js";

/** An address family, named as in pools and hints. */
export type Family = "IPv4" | "IPv6";

/** Signs the SHA-1 digest of `part`. Returns 64 bytes: r, then s, big-endian. */
export type Sign = (part: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Verifies a signature over the SHA-1 digest of `part`.
 *
 * `signature` has 64 bytes: r, then s; a high s is allowed. `publicKey` is a compressed public key of 33 bytes. The
 * function must not throw for any bytes: malformed bytes give `false`.
 */
export type Verify = (
  signature: Uint8Array,
  part: Uint8Array,
  publicKey: Uint8Array,
) => boolean | Promise<boolean>;

/** The options of sockets: where they connect from, and which certificates they trust. */
export interface SocketOptions {
  /** The local address for each family. Without an address the system chooses. */
  readonly nic: Readonly<Partial<Record<Family, string>>>;
  /** The usual certificates and the additional ones. */
  readonly ca: SecureContext | undefined;
}

/** The destination of a socket, and the options for the way there. */
export interface SocketTarget {
  readonly transport: Transport;
  readonly family: Family;
  readonly host: string;
  readonly port: number;
  /** The path of the WebSocket, for `ws` and `wss`; starts with a slash. */
  readonly path: string;
  /** The local address to connect from. */
  readonly localAddress: string | undefined;
  /** Whether a name may lead to public addresses only, because a stranger gave the name. */
  readonly publicOnly: boolean;
  /**
   * The index of the address to begin with, among the addresses of the name. The index grows by one with each attempt.
   * So an address that accepts connections but is otherwise useless does not block the other addresses.
   */
  readonly turn?: number;
  /** The certificates to trust for `mqtts` and `wss`; undefined for the usual ones. */
  readonly ca: SecureContext | undefined;
}

/**
 * A byte stream to and from a broker. The interface is the same over TCP, TLS and WebSocket, in Node and in a browser.
 */
export interface Connection {
  /** The number of bytes that were written and have not left the process, as far as that is known. */
  readonly unsentBytes: number;
  /**
   * True when the connection's local address does not belong to this machine any more. Such a connection is dead, but
   * the system reports no error.
   */
  readonly isStranded: boolean;
  /** Writes bytes. The caller must not change the bytes afterwards. Does nothing unless the connection is open. */
  write(bytes: Uint8Array): void;
  /** Stops reading for now, where that is possible. A browser's WebSocket cannot be paused. */
  pause(): void;
  resume(): void;
  /** Sends the bytes that were written, then closes. */
  end(): void;
  /** Closes at once. No event follows. */
  destroy(): void;
}

/**
 * What an opening connection waits for: the name's addresses, an answer from an address, or the handshakes of TLS and
 * WebSocket.
 */
export type Stage = "lookup" | "connect" | "handshake";

/** The listener of a connection's events. Each function may end the connection. */
export interface ConnectionEvents {
  /** Called when the connection begins to wait for something new. May be called before the connection is returned. */
  onStage(stage: Stage): void;
  /** Called once, before any bytes, when the connection is open and can be written to. */
  onOpen(): void;
  /** Called when bytes came in, at least one. The listener owns the bytes, and may change them. */
  onData(bytes: Uint8Array): void;
  /**
   * Called once, as the last event, when the connection could not be opened or has ended. A BrokerError says what kind
   * of failure it was; another error has only a text.
   */
  onClose(error: Error | undefined): void;
}

/** ECDH with a secret key. */
export interface Ecdh {
  /** The compressed public key, 33 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * Computes the x coordinate of the shared point, 32 bytes.
   * @throws when the bytes are not a point on the curve
   */
  sharedSecret(publicKey: Uint8Array): Uint8Array;
}

/** Authenticated encryption with one key and one nonce. */
export interface Cipher {
  /** @returns the ciphertext, then the tag */
  encrypt(plain: Uint8Array): Uint8Array;
  /** @throws when the tag does not match the content */
  decrypt(sealed: Uint8Array): Uint8Array;
}

/** The cryptographic functions that messages need. */
export interface Cryptography {
  /** The SHA-256 digest as hex. */
  sha256(bytes: Uint8Array): string;
  /** HKDF with SHA-256 (RFC 5869). */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** Creates a signer for a valid secret key of 32 bytes. */
  createSign(secretKey: Uint8Array): Sign;
  /** Creates ECDH on secp256k1 for a valid secret key of 32 bytes. */
  createEcdh(secretKey: Uint8Array): Ecdh;
  /** Creates XChaCha20-Poly1305 with a key of 32 bytes, a nonce of 24 bytes, and the associated data. */
  createCipher(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Cipher;
  /** Creates a verifier. A verifier may keep a bounded number of keys. */
  createVerify(): Verify;
}

/** Everything that differs between Node and browsers. The package's `imports` conditions choose the platform. */
export interface Platform extends Cryptography {
  /** The transports of the platform, in the default order of preference. */
  readonly transports: readonly Transport[];
  /** True when the address family of a connection cannot be chosen. */
  readonly familiesAreOne: boolean;
  /**
   * The keep-alive time, in s: a broker that hears nothing for about this long may end the session. Where timers run on
   * time, pings are sent more often.
   */
  readonly keepAliveS: number;
  /** The address families of this machine, loopback included. */
  localFamilies(): Family[];
  /**
   * Whether a host has no meaning outside its own machine or network: a loopback, link-local or private address, an
   * invalid host, or a name of such a host. Other names are not resolved.
   */
  isPrivateHost(host: string): boolean;
  /**
   * Checks the options that need sockets.
   * @throws SidewireError `UNSUPPORTED` on a platform without sockets; InvalidInputError `INVALID_OPTION`
   */
  parseSocketOptions(nic: unknown, ca: unknown): SocketOptions;
  /**
   * Begins to connect, without a time limit. Only `onStage` may be called before this function returns.
   * @throws when connecting is impossible: for a host or path that no URL can have, or a page that may not connect
   */
  openConnection(target: SocketTarget, events: ConnectionEvents): Connection;
  /**
   * Calls `run` in a later turn of the event loop, after everything else had its turn. Not by a timer, which may be
   * slow.
   */
  nextTurn(run: () => void): void;
}
