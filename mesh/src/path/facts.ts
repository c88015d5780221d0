import type { Candidate } from "../candidates/candidate.js";
import type { NatVerdict } from "../info.js";
import type { View } from "../probe/view.js";

export type { View };

/** The name of a path within one peer: the remote endpoint, as `formatEndpoint` writes it. */
export type PathName = string;

/** The facts for a path machine. All times are monotonic milliseconds. */
export type Fact =
  /**
   * All candidates of the peer, from an accepted announce or from memory. `isNews`: the peer is there, and probes.
   * `wantsAnswer`: the peer does not know the own candidates yet.
   */
  | {
      readonly type: "candidates";
      readonly candidates: readonly Candidate[];
      readonly isNews: boolean;
      readonly wantsAnswer: boolean;
    }
  /** Another peer says that the peer may be reached there. It may be wrong or lie. */
  | { readonly type: "introduced"; readonly candidates: readonly Candidate[] }
  /**
   * An own probe to `path` was answered from there. An answer from elsewhere proves nothing, and is not such a fact.
   */
  | { readonly type: "answered"; readonly path: PathName; readonly roundTripMs: number; readonly view: View }
  /** A probe of the peer came in from here. It must be answered with the machine's `view` of the path. */
  | { readonly type: "probed"; readonly path: PathName; readonly view: View }
  /** WireGuard's state of the peer. */
  | {
      readonly type: "wireguard";
      /** The endpoint that WireGuard sends to now. */
      readonly endpoint: PathName | undefined;
      /** The number of all received bytes so far. */
      readonly receivedBytes: number;
      /** The number of all sent bytes so far. */
      readonly sentBytes: number;
      /** The time of the last handshake, in monotonic ms; undefined when there was none. */
      readonly handshakeAt: number | undefined;
    }
  /** The verdicts about the NATs of both sides. `peer` is undefined when nothing new is known about it. */
  | { readonly type: "nat"; readonly own: NatVerdict; readonly peer: NatVerdict | undefined }
  /** The own candidates have changed since the last announce. */
  | { readonly type: "own-candidates" }
  /** The own addresses or routes have changed, or the machine has slept. */
  | { readonly type: "network-changed" }
  /** A relay passes packets between this host and the peer at `path`, or has stopped doing so. */
  | { readonly type: "relay"; readonly path: PathName; readonly isOpen: boolean }
  /** Time has passed. */
  | { readonly type: "time" };

/** One probe to send, with the own view of its path. */
export interface Probe {
  readonly path: PathName;
  readonly view: View;
}

/** The decisions of a path machine, to be carried out in this order. */
export type Decision =
  /** Send a probe on each of these paths now. */
  | { readonly type: "probe"; readonly probes: readonly Probe[] }
  /**
   * Make WireGuard use a path, and send a packet on it at once (persistent keepalive 0, then 25 s). `isFresh`: there is
   * no session that could be lost, so the peer is made again and its handshake starts at once.
   */
  | { readonly type: "use"; readonly path: PathName; readonly isFresh: boolean }
  /** Tell the peer the own candidates, over the brokers or a working path. */
  | { readonly type: "announce" }
  /**
   * Look for a relay, because no path works or the one in use may not work. `failed`: the path in use, if it loses
   * WireGuard's packets.
   */
  | { readonly type: "relay"; readonly failed: PathName | undefined }
  /** The information for people has changed. */
  | { readonly type: "changed" };

/** The result of a fact. */
export interface Step {
  readonly decisions: readonly Decision[];
  /** The time by which the machine must be called again; always later than this step. */
  readonly nextAt: number;
}

/**
 * How often WireGuard should be looked at. `soon` means every 100 to 250 ms, while a handshake is expected. `rare` is
 * for times when no data flows and nothing is in doubt.
 */
export type LooksWanted = "soon" | "usual" | "rare";
