import type { Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import type { View } from "../probe/view.js";

export type { View };

/** The text of a remote endpoint, as `formatEndpoint` writes it: the name of a path within one peer. */
export type PathName = string;

/** What a path machine is told. Times are monotonic milliseconds. */
export type Fact =
  /**
   * All the candidates of the peer: an announce that was accepted, or what was remembered. `isNews`: the peer is there,
   * and probes. `wantsAnswer`: it does not know our candidates yet.
   */
  | {
      readonly type: "candidates";
      readonly candidates: readonly Candidate[];
      readonly isNews: boolean;
      readonly wantsAnswer: boolean;
    }
  /** Another peer says that the peer may be reached there. It may be wrong, or lie. */
  | { readonly type: "introduced"; readonly candidates: readonly Candidate[] }
  /** Our probe to `path` was answered, from there: an answer from elsewhere proves nothing, and is none. */
  | { readonly type: "answered"; readonly path: PathName; readonly roundTripMs: number; readonly view: View }
  /** A probe of the peer came in from here. It is to be answered with the machine's `view` of the path. */
  | { readonly type: "probed"; readonly path: PathName; readonly view: View }
  /** What WireGuard shows of the peer. */
  | {
      readonly type: "wireguard";
      /** Where it sends now. */
      readonly endpoint: PathName | undefined;
      /** All bytes received so far. */
      readonly receivedBytes: number;
      /** All bytes sent so far. */
      readonly sentBytes: number;
      /** When the last handshake was, monotonic ms; undefined when there was none. */
      readonly handshakeAt: number | undefined;
    }
  /** What the NATs before both sides do; `peer` is undefined where nothing new is known of it. */
  | { readonly type: "nat"; readonly own: NatVerdict; readonly peer: NatVerdict | undefined }
  /** What we announce is not what we announced last. */
  | { readonly type: "own-candidates" }
  /** The own addresses or routes are others; or the machine has slept. */
  | { readonly type: "network-changed" }
  /** A relay passes packets between us and the peer at `path`, or does so no longer. */
  | { readonly type: "relay"; readonly path: PathName; readonly isOpen: boolean }
  /** Time has passed. */
  | { readonly type: "time" };

/** One probe to be sent, and what we say of its path in it. */
export interface Probe {
  readonly path: PathName;
  readonly view: View;
}

/** What a path machine wants done, in this order. */
export type Decision =
  /** Send a probe on each of these paths now. */
  | { readonly type: "probe"; readonly probes: readonly Probe[] }
  /**
   * Make WireGuard use a path, and send something on it at once (persistent keepalive 0, then 25 s).
   * `isFresh`: there is no session that could be lost, so the peer is made anew and its handshake starts at once.
   */
  | { readonly type: "use"; readonly path: PathName; readonly isFresh: boolean }
  /** Tell the peer our candidates: the brokers, or a path that works, carry it. */
  | { readonly type: "announce" }
  /**
   * Look for a relay: no path works, or the one in use may not. `failed`: the path in use, where it loses WireGuard's
   * packets.
   */
  | { readonly type: "relay"; readonly failed: PathName | undefined }
  /** What people are shown has changed. */
  | { readonly type: "changed" };

/** What comes of a fact. */
export interface Step {
  readonly decisions: readonly Decision[];
  /** When the machine wants to be told the time, at the latest; always later than the step. */
  readonly nextAt: number;
}

/**
 * How often WireGuard should be looked at: `soon` while a handshake is awaited, each 100 to 250 ms; `rare` while nothing
 * flows and nothing is in doubt.
 */
export type LooksWanted = "soon" | "usual" | "rare";
