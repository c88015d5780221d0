import type { Candidate } from "../candidates/candidate.js";
import type { View } from "../probe/view.js";

export type { View };

/** The text of a remote endpoint, as `formatEndpoint` writes it: the name of a path within one peer. */
export type PathName = string;

/** What a path machine is told. Times are monotonic milliseconds. */
export type Fact =
  /** An accepted announce, or what was remembered: all the candidates of the peer. `isNews`: not known before. */
  | { readonly type: "candidates"; readonly candidates: readonly Candidate[]; readonly isNews: boolean }
  /** Our probe was answered on a path. */
  | { readonly type: "answered"; readonly path: PathName; readonly roundTripMs: number; readonly view: View }
  /** A probe of the peer came in from here, and was answered. */
  | { readonly type: "probed"; readonly path: PathName; readonly view: View }
  /** What WireGuard shows of the peer. */
  | {
      readonly type: "wireguard";
      /** Where it sends now. */
      readonly endpoint: PathName | undefined;
      /** All bytes received so far. */
      readonly receivedBytes: number;
      /** When the last handshake was, monotonic ms; undefined when there was none. */
      readonly handshakeAt: number | undefined;
    }
  /** The own addresses, routes or candidates are others; or the machine has slept. */
  | { readonly type: "network-changed" }
  /** Time has passed. */
  | { readonly type: "time" };

/** What a path machine wants done. */
export type Decision =
  /** Send a probe on each of these paths now, each with what we say of it. */
  | { readonly type: "probe"; readonly probes: readonly { readonly path: PathName; readonly view: View }[] }
  /**
   * Make WireGuard use a path, and send something on it at once (persistent keepalive 0, then 25 s).
   * `isFresh`: there is no session that could be lost, so the peer is made anew and its handshake starts at once.
   */
  | { readonly type: "use"; readonly path: PathName; readonly isFresh: boolean }
  /** Tell the peer our candidates: the brokers, or a path that works, carry it. */
  | { readonly type: "announce" }
  /** What people are shown has changed. */
  | { readonly type: "changed" };
