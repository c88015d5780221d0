/** Every error this package throws or rejects with: to be told apart by `code`, not by its text. */

/** The stable codes of {@link MeshError}. */
export type MeshErrorCode =
  /** Not a WireGuard key: 32 bytes, or 44 characters of base64. */
  | "INVALID_KEY"
  /** A public key of low order: a shared secret with it would be known to everybody. */
  | "LOW_ORDER_KEY"
  /** The host's own key is among its peers. */
  | "OWN_KEY"
  /** An option or a line of the configuration is of the wrong type, out of range or unknown. */
  | "INVALID_OPTION"
  /** Two parts of the configuration cannot both hold: one allowed IP of two peers, an overlay that covers the LAN. */
  | "CONFLICT"
  /** There is no such interface, or it is not one of WireGuard. */
  | "NO_INTERFACE"
  /** The interface has no private key, or no port. */
  | "NOT_CONFIGURED"
  /** Another daemon looks after this interface. */
  | "IN_USE"
  /** No peer has this key or name. */
  | "NO_PEER"
  /** This host is in no network: nobody has invited from here, and it has not joined one. */
  | "NO_NETWORK"
  /** No member of the network has this key or name. */
  | "NO_MEMBER"
  /** This host is no admin of the network. */
  | "NOT_ADMIN"
  /** The host that invited, or an admin, says no. */
  | "REFUSED"
  /** A program that is needed is not installed. */
  | "MISSING_PROGRAM"
  /** The process may not do this: it needs root or CAP_NET_ADMIN. */
  | "NOT_PERMITTED"
  /** A program that was started said no. */
  | "COMMAND_FAILED"
  /** A file could not be read, written or understood. */
  | "FILE"
  /** No daemon answers. */
  | "NO_DAEMON"
  /** The caller's `AbortSignal` fired; `cause` is its reason. */
  | "ABORTED"
  /** No answer came in time. */
  | "TIMEOUT"
  /** It was closed. */
  | "CLOSED"
  /** Not on this operating system. */
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
  /** What kind of error this is; never changes between versions. */
  readonly code: MeshErrorCode;

  constructor(code: MeshErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
