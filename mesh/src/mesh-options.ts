import type { BrokerPool } from "sidewire";
import type { ReportedInterfaces } from "./candidates/interfaces.js";
import type { InterfaceAddress, NewInterface, NewPeer } from "./device/create.js";
import type { MeshError } from "./errors.js";
import type { TrustLevel } from "./facts/trust.js";
import type { CandidateInfo, MeshStep, PeerInfo } from "./info.js";
import type { TurnOptions } from "./turn/turn-server.js";

/** The options of a mesh. */
export interface MeshOptions {
  /** The name of the WireGuard interface. An existing interface is used as it is configured. */
  readonly interface: string;
  /** Makes the interface with these settings, and removes it at the end. */
  readonly create?: NewInterface | undefined;
  /**
   * Peers that are added to an existing interface, and removed at the end. A peer that the interface has already stays
   * as it is.
   */
  readonly peers?: readonly NewPeer[] | undefined;
  /** Own addresses that are added to the interface, and removed at the end. Default: none. */
  readonly addresses?: readonly InterfaceAddress[] | undefined;
  /**
   * Whether STUN servers are only asked while a peer without a path may need the answer. Otherwise they are asked every 25
   * s. Default: no.
   */
  readonly stunOnDemand?: boolean | undefined;
  /** The signaling brokers. Default: sidewire's public ones. */
  readonly brokers?: BrokerPool | undefined;
  /** STUN servers, each as `host:port`. Default: a bundled list of public servers. */
  readonly stun?: readonly string[] | undefined;
  /** TURN servers. They are used for peers that neither a direct path nor a relaying peer leads to. Default: none. */
  readonly turn?: readonly TurnOptions[] | undefined;
  /** Whether this host relays between peers that find no direct path to each other. Default: no. */
  readonly relay?: boolean | undefined;
  /**
   * Whether peers have a tunnel only while it is used. The first packet for a peer makes the tunnel. After 15 min
   * without data the tunnel ends, if the peer is lazy, too. Cannot be combined with {@link relay}. Default: no.
   */
  readonly lazy?: boolean | undefined;
  /** Whether peers are looked for on the own LANs, by broadcast and multicast. Default: yes. */
  readonly lanDiscovery?: boolean | undefined;
  /** Whether gateways are asked to map WireGuard's port to an outside port (PCP, NAT-PMP, UPnP). Default: yes. */
  readonly portMapping?: boolean | undefined;
  /** The outside port that gateways are asked for first, in IPv4. Default: any port. */
  readonly externalPort?: number | undefined;
  /** The interfaces whose addresses are told to peers. Default: all except that of the tunnel. */
  readonly reported?: ReportedInterfaces | undefined;
  /** Whether members of the interface's network get names in `/etc/hosts` while the mesh is open. Default: yes. */
  readonly hosts?: boolean | undefined;
  /**
   * Whether to answer DNS queries for the names of members. The server listens on port 53 of this host's addresses in
   * the tunnel, and answers only this host. Default: no.
   */
  readonly dns?: boolean | undefined;
  /**
   * What peers are believed when they tell where others are, by public key in base64. A peer that is named here with
   * another level than `Untrusted` is also told where all others are. Default: routers and members of the network are
   * told; every peer is believed where other peers of this host are.
   */
  readonly trust?: ReadonlyMap<string, TrustLevel> | undefined;
  /**
   * Whether all peers are told where this host and the other peers are, except peers that `trust` calls `Untrusted`.
   * Default: no.
   */
  readonly chatty?: boolean | undefined;
  /**
   * Whether this host carries packets between its peers. Such a host is {@link chatty}, and never leaves the packets for
   * a peer to another router. Default: no.
   */
  readonly router?: boolean | undefined;
  /** The folder of the files that survive a restart. Default: `/var/lib/sidewire-mesh`. */
  readonly stateFolder?: string | undefined;
  /**
   * Whether the roster in the state folder was just received from an admin. Then it is used without asking anybody
   * first.
   */
  readonly isRosterFresh?: boolean | undefined;
  /** The time, in Unix ms. Default: `Date.now`. */
  readonly getTime?: (() => number) | undefined;
  /** Ends the opening with `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** @internal Times that tests make shorter. */
  readonly times?: MeshTimes | undefined;
}

/** The options that can be changed while a mesh is open. */
export type ChangeableOptions = Pick<MeshOptions, "create" | "peers" | "addresses" | "trust">;

/** @internal Times that only tests change, in ms. */
export interface MeshTimes {
  /** How long after a start no traffic is left to a router. */
  readonly fallbackGuardMs?: number | undefined;
  /** How long a lazy host keeps a tunnel without data. */
  readonly idleMs?: number | undefined;
}

/** The events of a mesh. */
export interface MeshEvents {
  /** A peer's state, path or reason has changed. */
  peer: [peer: PeerInfo];
  /** The places where this host may be reached have changed. */
  candidates: [candidates: readonly CandidateInfo[]];
  /** One more step on the way to a peer. */
  step: [step: MeshStep];
  /** A message for a person, in one sentence. */
  warning: [message: string];
  /** The interface does not exist any more, and the mesh has closed itself. */
  gone: [error: MeshError];
}

/** The default folder of the files that survive a restart. */
export const DEFAULT_STATE_FOLDER = "/var/lib/sidewire-mesh";
