/** What the other side says of a path in each probe on it, and in each answer. */
export interface View {
  /** Its own probe was answered on this path: it works in both directions, as the other sees it. */
  readonly isProven: boolean;
  /** Its WireGuard uses this path, or is about to. */
  readonly isChosen: boolean;
  /** Nothing comes out of its WireGuard on this path: send something, or start a handshake. */
  readonly asksForHandshake: boolean;
}
