/** One side's view of a path, in each of its probes and answers on the path. */
export interface View {
  /**
   * Whether the sender's own probe was answered on this path, so that the path works in both directions for the sender.
   */
  readonly isProven: boolean;
  /** Whether the sender's WireGuard uses this path, or will soon. */
  readonly isChosen: boolean;
  /**
   * Whether nothing comes out of the sender's WireGuard on this path. The receiver should send a packet or start a
   * handshake.
   */
  readonly asksForHandshake: boolean;
}
