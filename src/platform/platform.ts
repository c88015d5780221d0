import type { Duplex } from "node:stream";

/** An address family, as pools and hints name it. */
export type Family = "IPv4" | "IPv6";

/** How a broker is spoken to: MQTT over TCP, over TLS, over WebSocket, over WebSocket with TLS. */
export type Transport = "mqtt" | "mqtts" | "ws" | "wss";

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
  /** PEM certificates trusted besides the usual ones. */
  readonly ca: string | undefined;
}

/** Where a socket goes and how it leaves. */
export interface SocketTarget {
  readonly transport: Transport;
  readonly family: Family;
  readonly host: string;
  readonly port: number;
  /** Local address to leave by. */
  readonly localAddress: string | undefined;
  /** Whether a name may lead to public addresses only: it is a stranger's word. */
  readonly publicOnly: boolean;
  /** PEM certificates trusted besides, for `mqtts` and `wss`. */
  readonly ca: string | undefined;
}

/** What differs between Node and browsers; chosen by the package's export conditions. */
export interface Platform {
  /** The transports it can speak, in the default order of preference. */
  readonly transports: readonly Transport[];
  /** True where the caller cannot choose the address family of a connection. */
  readonly familiesAreOne: boolean;
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
  /** A signer for a secret key of 32 valid bytes. */
  createSign(secretKey: Uint8Array): Sign;
  /** A verifier with a bounded memory of the keys it has met. */
  createVerify(): Verify;
  /** A socket that is connecting, or nothing for WebSockets: MQTT.js opens those. */
  openSocket(target: SocketTarget): Duplex | undefined;
  /** What MQTT.js hands to its WebSocket so that family, local address and CA hold there too. */
  webSocketOptions(target: SocketTarget): Record<string, unknown>;
}
