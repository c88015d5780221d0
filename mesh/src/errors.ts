/** All errors that this package throws or rejects with. Callers tell them apart by `code`, not by the text. */

/** The stable codes of {@link MeshError}. */
export type MeshErrorCode =
  /** Not a WireGuard key: 32 bytes, or 44 characters of base64. */
  | "INVALID_KEY"
  /** A public key of low order. A shared secret with such a key would be known to everybody. */
  | "LOW_ORDER_KEY"
  /** Not a multiaddr of a WireGuard host. */
  | "INVALID_ADDRESS"
  /** The host's own key is among its peers. */
  | "OWN_KEY"
  /** An option or a line of the configuration has the wrong type, is out of range or is unknown. */
  | "INVALID_OPTION"
  /**
   * Two parts of the configuration contradict each other, such as two peers with the same allowed IP, or an overlay
   * that covers the LAN.
   */
  | "CONFLICT"
  /** There is no such interface, or it is not a WireGuard interface. */
  | "NO_INTERFACE"
  /** The interface has no private key or no port. */
  | "NOT_CONFIGURED"
  /** Another daemon manages this interface. */
  | "IN_USE"
  /** No peer has this key or name. */
  | "NO_PEER"
  /** This host is in no network: it has neither invited another host nor joined a network. */
  | "NO_NETWORK"
  /** No member of the network has this key or name. */
  | "NO_MEMBER"
  /** This host is not an admin of the network. */
  | "NOT_ADMIN"
  /** The host that invited, or an admin, has refused. */
  | "REFUSED"
  /** A required program is not installed. */
  | "MISSING_PROGRAM"
  /** The process lacks permission: it needs root or CAP_NET_ADMIN. */
  | "NOT_PERMITTED"
  /** A program that was started reported an error. */
  | "COMMAND_FAILED"
  /** A file could not be read, written or understood. */
  | "FILE"
  /** No daemon answers. */
  | "NO_DAEMON"
  /** The caller's `AbortSignal` fired; `cause` is the signal's reason. */
  | "ABORTED"
  /** No answer came in time. */
  | "TIMEOUT"
  /** The object was closed. */
  | "CLOSED"
  /** Not supported on this operating system. */
  | "UNSUPPORTED";

/**
 * The class of all errors of this package.
 *
 * @example
 * ```ts
 * try {
 *   await Mesh.open({ interface: "wg0" });
 * } catch (error) {
 *   if (error instanceof MeshError && error.code === "NO_INTERFACE") createIt();
 * }
 * ```
 */
export class MeshError extends Error {
  /** The name of the class. */
  override readonly name: string = "MeshError";
  /** The kind of error. Codes never change between versions. */
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
