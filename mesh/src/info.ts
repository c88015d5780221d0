import type { CandidateKind } from "./candidates/candidate.js";

/**
 * How a peer is reached: never reached yet; paths are being tried; by a relay; directly; reached before, but no path
 * works any more. `asleep` means that nobody wants to reach the peer; the first packet makes its tunnel.
 */
export type PeerState = "asleep" | "unmet" | "probing" | "relayed" | "direct" | "lost";

/**
 * The kind of a path: over the own LAN; over IPv6; over IPv4, with or without NATs; by a peer that relays; by a TURN
 * server.
 */
export type PathKind = "lan" | "ipv6" | "nat" | "relay" | "turn";

/** A working path to a peer. */
export interface PathInfo {
  readonly kind: PathKind;
  /** The endpoint that WireGuard sends to, in the form of `wg`. */
  readonly endpoint: string;
  /** The public key of the peer that relays, in base64; undefined for a direct path. */
  readonly relay?: string | undefined;
  /**
   * The TURN server that relays. This is the server's name if it is a server of this host, and the peer's address there
   * if it is a server of the peer.
   */
  readonly turn?: string | undefined;
  /** The round trip of the last probes, in ms. */
  readonly roundTripMs: number | undefined;
  /** Since when the path is in use, in Unix ms. */
  readonly since: number;
}

/** The current state of a peer. */
export interface PeerInfo {
  /** The peer's WireGuard public key, in base64. */
  readonly publicKey: string;
  /** The peer's name on this host, if it has one. */
  readonly name?: string | undefined;
  readonly state: PeerState;
  /** The path in use. */
  readonly path: PathInfo | undefined;
  /** Why the peer is in this state, in one sentence. */
  readonly reason: string;
  /** The time of the last handshake, in Unix ms; undefined when there was none. */
  readonly lastHandshakeAt: number | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly allowedIps: readonly string[];
  /** Whether the peer said in the tunnel, a few minutes ago at most, that its daemon runs. */
  readonly isAlive?: boolean | undefined;
}

/** A place where this host may be reached, as its peers are told. */
export interface CandidateInfo {
  readonly kind: CandidateKind;
  readonly endpoint: string;
  /** The age of this knowledge, in s. */
  readonly ageS: number;
}

/**
 * What the NATs before this host do with a port. `open`: there is no NAT. `stable`: the outside port is the same for
 * all destinations. `symmetric`: each destination sees another outside port. `blocked`: no answer comes back at all.
 * `unknown`: there were too few answers.
 */
export type NatVerdict = "open" | "stable" | "symmetric" | "blocked" | "unknown";

/** A request to a gateway, and its result. */
export interface PortMappingInfo {
  readonly family: 4 | 6;
  readonly gateway: string;
  /** WireGuard's own port, which the outside port leads to. */
  readonly internalPort: number;
  /** The protocol that worked; undefined while there is no mapping. */
  readonly protocol: "pcp" | "nat-pmp" | "upnp-igd" | undefined;
  /** The outside endpoint, as the gateway reports it. */
  readonly external: string | undefined;
  /**
   * Whether the outside address is private. Then there is another NAT behind the gateway, and peers are not told of it.
   */
  readonly isHint: boolean;
  /** When the mapping ends, in Unix ms; undefined when it stays until it is removed, or there is none. */
  readonly endsAt: number | undefined;
  /** Why there is no mapping, or why it was not renewed. */
  readonly error: string | undefined;
}

/** A TURN server of this host. */
export interface TurnInfo {
  /** Host and port. */
  readonly server: string;
  /** The address that the server lends; undefined when none is needed, or none can be had. */
  readonly relayed: string | undefined;
  /** The number of peers that the server relays. */
  readonly peers: number;
  /** The last error, in words. */
  readonly error: string | undefined;
}

/** A signaling broker. */
export interface BrokerInfo {
  readonly host: string;
  readonly port: number;
  readonly state: string;
  readonly error: string | undefined;
}

/**
 * A step on the way to a peer. The steps show how far the way goes and where it stops. Keys are in base64, endpoints in
 * the form of `wg`.
 */
export type MeshStep =
  /** A STUN server saw this host at an address that was not known. */
  | {
      readonly step: "seen";
      readonly server: string;
      readonly endpoint: string;
      readonly roundTripMs: number;
    }
  /** An announce for a peer leaves: over the brokers, or by the path in use. */
  | { readonly step: "announced"; readonly publicKey: string; readonly by: "brokers" | "path" }
  /** A peer's announce has come, and contains something new. */
  | { readonly step: "heard"; readonly publicKey: string }
  /** A probe was answered on a path that was not proven before. */
  | {
      readonly step: "answered";
      readonly publicKey: string;
      readonly endpoint: string;
      readonly roundTripMs: number;
    };

/** One path to a peer, as a ping found it. */
export interface PingAnswer {
  readonly kind: PathKind;
  readonly endpoint: string;
  readonly isInUse: boolean;
  /** The round trip in ms; undefined when no answer came. */
  readonly roundTripMs: number | undefined;
}

/** Two peers that this host relays for. */
export interface RelaySession {
  /** The public keys of both peers, in base64. */
  readonly peers: readonly [string, string];
  /** The endpoint in the tunnel where this host forwards their packets, in the form of `wg`. */
  readonly endpoint: string;
  /** Since when this host relays for them, in Unix ms. */
  readonly since: number;
  /** Whether both peers have used the relay, so that packets are forwarded. */
  readonly isOpen: boolean;
  /** The number of forwarded packets, in both directions together. */
  readonly packets: number;
  readonly bytes: number;
  /** The number of packets that exceeded the limits. */
  readonly dropped: number;
}

/** Everything that a daemon knows. */
export interface MeshInfo {
  readonly interface: string;
  readonly publicKey: string;
  readonly listenPort: number;
  /** Since when the daemon manages the interface, in Unix ms. */
  readonly since: number;
  readonly nat: NatVerdict;
  readonly candidates: readonly CandidateInfo[];
  /** One entry for each family with a gateway that may be asked; empty when port mapping is switched off. */
  readonly portMappings: readonly PortMappingInfo[];
  readonly peers: readonly PeerInfo[];
  readonly brokers: readonly BrokerInfo[];
  /** Problems of the network's rosters that were seen, one sentence each. */
  readonly troubles?: readonly string[] | undefined;
  /** The TURN servers of this host; undefined when it has none. */
  readonly turn?: readonly TurnInfo[] | undefined;
  /** The sessions that this host relays; undefined when it is no relay. */
  readonly relaying?: readonly RelaySession[] | undefined;
  /** The number of stored facts of peers; undefined while peers tell each other none. */
  readonly facts?: number | undefined;
}
