import type { CandidateKind } from "./candidates/candidate.js";

/**
 * How a peer is reached, or not yet: never met; paths are being tried; by a relay; directly; it was met, and no path
 * works any more; nobody wants to reach it, and its tunnel is made when somebody does.
 */
export type PeerState = "asleep" | "unmet" | "probing" | "relayed" | "direct" | "lost";

/** Over the own LAN; over IPv6; over IPv4, through NATs or not; by a peer that relays; by a TURN server. */
export type PathKind = "lan" | "ipv6" | "nat" | "relay" | "turn";

/** A way to a peer that works. */
export interface PathInfo {
  readonly kind: PathKind;
  /** Where WireGuard sends, as `wg` writes it. */
  readonly endpoint: string;
  /** The public key of the peer that relays, base64; undefined for a direct path. */
  readonly relay?: string | undefined;
  /** The TURN server that relays: by its name where it is ours, by the peer's address there where it is the peer's. */
  readonly turn?: string | undefined;
  /** Of the last probes, ms. */
  readonly roundTripMs: number | undefined;
  /** Since when it is in use, Unix ms. */
  readonly since: number;
}

/** A peer, as it is now. */
export interface PeerInfo {
  /** Its WireGuard public key, base64. */
  readonly publicKey: string;
  /** What it is called here, where it has a name. */
  readonly name?: string | undefined;
  readonly state: PeerState;
  /** The path in use. */
  readonly path: PathInfo | undefined;
  /** One sentence: why it is in this state. */
  readonly reason: string;
  /** Unix ms; undefined when there was none. */
  readonly lastHandshakeAt: number | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly allowedIps: readonly string[];
  /** It has said in the tunnel, a few minutes ago at most, that its daemon runs. */
  readonly isAlive?: boolean | undefined;
}

/** Where this host may be reached, as it tells its peers. */
export interface CandidateInfo {
  readonly kind: CandidateKind;
  readonly endpoint: string;
  /** How long ago it was last known to be true, s. */
  readonly ageS: number;
}

/**
 * What the NATs before this host do with a port: there is none; the same outside port for everybody; another one for
 * each destination; nothing comes back at all; too few answers to tell.
 */
export type NatVerdict = "open" | "stable" | "symmetric" | "blocked" | "unknown";

/** What a gateway was asked for, and what it gave. */
export interface PortMappingInfo {
  readonly family: 4 | 6;
  readonly gateway: string;
  /** WireGuard's own, to which the port outside leads. */
  readonly internalPort: number;
  /** How the gateway was asked; undefined while there is no mapping. */
  readonly protocol: "pcp" | "nat-pmp" | "upnp-igd" | undefined;
  /** Outside, as the gateway says. */
  readonly external: string | undefined;
  /** The address outside is a private one: there is another NAT behind, and peers are not told of it. */
  readonly isHint: boolean;
  /** Unix ms; undefined when it stays until it is removed, or there is none. */
  readonly endsAt: number | undefined;
  /** Why there is none, or why it was not renewed. */
  readonly error: string | undefined;
}

/** A TURN server of this host. */
export interface TurnInfo {
  /** Host and port. */
  readonly server: string;
  /** The address that it lends; undefined while none is needed, or none can be had. */
  readonly relayed: string | undefined;
  /** Peers that are passed on by it. */
  readonly peers: number;
  /** What went wrong last, in words. */
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
 * A step on the way to a peer, for whoever wants to see how far it comes, and where it stops. Keys are base64, endpoints
 * as `wg` writes them.
 */
export type MeshStep =
  /** A STUN server sees us where none did before. */
  | {
      readonly step: "seen";
      readonly server: string;
      readonly endpoint: string;
      readonly roundTripMs: number;
    }
  /** What we announce to a peer leaves: over the brokers, or by the path in use. */
  | { readonly step: "announced"; readonly publicKey: string; readonly by: "brokers" | "path" }
  /** A peer's announce has come, and says something new. */
  | { readonly step: "heard"; readonly publicKey: string }
  /** A probe is answered on a path that was not proven. */
  | {
      readonly step: "answered";
      readonly publicKey: string;
      readonly endpoint: string;
      readonly roundTripMs: number;
    };

/** One way to a peer, as a ping found it. */
export interface PingAnswer {
  readonly kind: PathKind;
  readonly endpoint: string;
  readonly isInUse: boolean;
  /** Undefined when no answer came. */
  readonly roundTripMs: number | undefined;
}

/** Two peers that this host relays for. */
export interface RelaySession {
  /** Their public keys, base64. */
  readonly peers: readonly [string, string];
  /** Where it passes their packets on: in the tunnel, as `wg` writes it. */
  readonly endpoint: string;
  /** Unix ms. */
  readonly since: number;
  /** Both have come to it, and packets pass. */
  readonly isOpen: boolean;
  /** What was passed on, both ways together. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets that were more than may pass. */
  readonly dropped: number;
}

/** All that a daemon knows. */
export interface MeshInfo {
  readonly interface: string;
  readonly publicKey: string;
  readonly listenPort: number;
  /** Since when the daemon looks after it, Unix ms. */
  readonly since: number;
  readonly nat: NatVerdict;
  readonly candidates: readonly CandidateInfo[];
  /** One for each family that has a gateway which may be asked; empty when that is switched off. */
  readonly portMappings: readonly PortMappingInfo[];
  readonly peers: readonly PeerInfo[];
  readonly brokers: readonly BrokerInfo[];
  /** What is wrong with the network's rosters that were seen, a sentence each. */
  readonly troubles?: readonly string[] | undefined;
  /** The TURN servers of this host; undefined when it has none. */
  readonly turn?: readonly TurnInfo[] | undefined;
  /** What it relays for others; undefined when it is no relay. */
  readonly relaying?: readonly RelaySession[] | undefined;
  /** Facts of peers that are held; undefined while peers tell each other none. */
  readonly facts?: number | undefined;
}
