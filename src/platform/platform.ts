import type { SecureContext } from "node:tls";
import type { Transport } from "./transports.js";

/** An address family, as pools and hints name it. */
export type Family = "IPv4" | "IPv6";

/** Signs the SHA-1 digest of `part`: 64 bytes, r then s. */
export type Sign = (part: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Checks a signature (64 bytes, r then s, high s allowed) over the SHA-1
 * digest of `part` by a compressed public key (33 bytes). Must not throw for
 * any bytes: what is malformed is `false`.
 */
export type Verify = (
  signature: Uint8Array,
  part: Uint8Array,
  publicKey: Uint8Array,
) => boolean | Promise<boolean>;

/** How sockets leave, and whom they trust. */
export interface SocketOptions {
  /** The local address for each family; the system's choice where there is none. */
  readonly nic: Readonly<Partial<Record<Family, string>>>;
  /** The usual certificates and those trusted besides. */
  readonly ca: SecureContext | undefined;
}

/** Where a socket goes and how it leaves. */
export interface SocketTarget {
  readonly transport: Transport;
  readonly family: Family;
  readonly host: string;
  readonly port: number;
  /** Of the WebSocket, for `ws` and `wss`; starts with a slash. */
  readonly path: string;
  /** Local address to leave by. */
  readonly localAddress: string | undefined;
  /** Whether a name may lead to public addresses only: it is a stranger's word. */
  readonly publicOnly: boolean;
  /**
   * With which of a name's addresses to begin, counted from the resolver's first. Counted on from one attempt to the
   * next, so that an address that takes connections and is of no use otherwise does not stand in the others' way.
   */
  readonly turn?: number;
  /** For `mqtts` and `wss`, if others are trusted than the usual certificates. */
  readonly ca: SecureContext | undefined;
}

/** The way of bytes to a broker and back: the same over TCP, TLS and WebSocket, in Node and in a browser. */
export interface Connection {
  /** Bytes that were written and have not left the process, as far as it can tell. */
  readonly unsentBytes: number;
  /** The address that it leaves by is none of this machine's any more: it is dead, and nobody will say so. */
  readonly isStranded: boolean;
  /** Writes bytes, which must not change any more. Does nothing unless the connection is open. */
  write(bytes: Uint8Array): void;
  /** Reads no more for now, where that can be: a browser's WebSocket goes on. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes. */
  end(): void;
  /** Closes at once. No event comes any more. */
  destroy(): void;
}

/** What a connection waits for: its name, an answer from its address, the handshakes of TLS and WebSocket. */
export type Stage = "lookup" | "connect" | "handshake";

/** Who is told of what happens to a connection. What it is told in may end the connection. */
export interface ConnectionEvents {
  /** What it waits for, if that is not an answer from its address. Also before the connection is handed over. */
  onStage(stage: Stage): void;
  /** It is there: may be written to. Once, before any bytes. */
  onOpen(): void;
  /** Bytes came in, at least one. They belong to who is told. */
  onData(bytes: Uint8Array): void;
  /**
   * It could not be opened, or is over: once, and the last event. A BrokerError says what kind of failure it was,
   * another error has words alone.
   */
  onClose(error: Error | undefined): void;
}

/** A secret key's part in ECDH. */
export interface Ecdh {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The x coordinate of the shared point, 32 bytes.
   * @throws for what is no point on the curve
   */
  sharedSecret(publicKey: Uint8Array): Uint8Array;
}

/** Authenticated encryption under one key and nonce. */
export interface Cipher {
  /** @returns the ciphertext and its tag */
  encrypt(plain: Uint8Array): Uint8Array;
  /** @throws when the tag does not vouch for it */
  decrypt(sealed: Uint8Array): Uint8Array;
}

/** The cryptography that a message needs. */
export interface Cryptography {
  /** SHA-256, as hex. */
  sha256(bytes: Uint8Array): string;
  /** HKDF with SHA-256 (RFC 5869). */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** A signer for a secret key of 32 valid bytes. */
  createSign(secretKey: Uint8Array): Sign;
  /** ECDH on secp256k1 with a secret key of 32 valid bytes. */
  createEcdh(secretKey: Uint8Array): Ecdh;
  /** XChaCha20-Poly1305: a key of 32 bytes, a nonce of 24, and what is authenticated besides. */
  createCipher(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array): Cipher;
  /** A verifier with a bounded memory of the keys it has met. */
  createVerify(): Verify;
}

/** What differs between Node and browsers; chosen by the package's export conditions. */
export interface Platform extends Cryptography {
  /** The transports it can speak, in the default order of preference. */
  readonly transports: readonly Transport[];
  /** True where the caller cannot choose the address family of a connection. */
  readonly familiesAreOne: boolean;
  /**
   * After so long without a sign of life from here a broker may begin to end the session, s. It is asked for more often
   * wherever timers run in time.
   */
  readonly keepAliveS: number;
  /** The families this machine has an address in, loopback included. */
  localFamilies(): Family[];
  /**
   * Whether a host is an address, or the name of one, that means something else on every machine or in
   * every network: loopback, link-local, private, or none at all. Other names are not looked up.
   */
  isPrivateHost(host: string): boolean;
  /**
   * Checks the options that only sockets of one's own can follow.
   * @throws SidewireError `UNSUPPORTED` where there are none, InvalidInputError `INVALID_OPTION`
   */
  parseSocketOptions(nic: unknown, ca: unknown): SocketOptions;
  /**
   * Connects, without a time limit. No event comes before this returns.
   * @throws where that cannot be begun: a host or a path that no URL can have, a page that may not
   */
  openConnection(target: SocketTarget, events: ConnectionEvents): Connection;
  /** Calls back at a later turn of the event loop, as soon as everything else had one; no timer, which may be slow. */
  nextTurn(run: () => void): void;
}
