import type { BrokerPool } from "sidewire";
import type { NewInterface } from "./device/create.js";
import type { MeshError } from "./errors.js";
import type { TrustLevel } from "./facts/trust.js";
import type { CandidateInfo, MeshStep, PeerInfo } from "./info.js";
import type { TurnOptions } from "./turn/turn-server.js";

/** What a mesh is opened with. */
export interface MeshOptions {
  /** The name of the WireGuard interface: one that is there is used as it is configured. */
  readonly interface: string;
  /** Makes the interface so, and removes it at the end. */
  readonly create?: NewInterface | undefined;
  /** The signaling brokers. Default: sidewire's public ones. */
  readonly brokers?: BrokerPool | undefined;
  /** STUN servers, `host:port`. Default: a bundled list of public ones. */
  readonly stun?: readonly string[] | undefined;
  /**
   * TURN servers, by which peers are reached that no direct path leads to, and no peer that relays. Default: none.
   */
  readonly turn?: readonly TurnOptions[] | undefined;
  /** Relays between peers that find no direct path to each other. Default: no. */
  readonly relay?: boolean | undefined;
  /**
   * Peers have a tunnel only while it is used: the first packet for one makes it, and 15 min without data end it where the
   * peer is lazy, too. Not together with {@link relay}. Default: no.
   */
  readonly lazy?: boolean | undefined;
  /** Whether peers are told and heard on the own LANs, by broadcast and multicast. Default: yes. */
  readonly lanDiscovery?: boolean | undefined;
  /** Whether gateways are asked to lead WireGuard's port outside (PCP, NAT-PMP, UPnP). Default: yes. */
  readonly portMapping?: boolean | undefined;
  /** Whether members of the interface's network get names in `/etc/hosts` while it is looked after. Default: yes. */
  readonly hosts?: boolean | undefined;
  /**
   * Answers DNS for the names of members, at this host's addresses in the tunnel, port 53, to this host alone.
   * Default: no.
   */
  readonly dns?: boolean | undefined;
  /**
   * What peers are believed when they tell where others are, by public key, base64. One that is named here, with another
   * level than `Untrusted`, is told of all others, too. Default: routers and members of the network are told; everybody
   * is believed where other peers of this host are.
   */
  readonly trust?: ReadonlyMap<string, TrustLevel> | undefined;
  /** Where things are remembered over a restart. Default: `/var/lib/sidewire-mesh`. */
  readonly stateFolder?: string | undefined;
  /** The roster in the state folder has just been got from an admin: nobody has to be asked before it is used. */
  readonly isRosterFresh?: boolean | undefined;
  /** The time, Unix ms. Default: `Date.now`. */
  readonly getTime?: (() => number) | undefined;
  /** Ends the opening with `ABORTED`. */
  readonly signal?: AbortSignal | undefined;
  /** @internal Times that tests make shorter. */
  readonly times?: MeshTimes | undefined;
}

/** @internal Times that nobody else has a reason to change, ms. */
export interface MeshTimes {
  /** After a start nothing is left to a router before. */
  readonly fallbackGuardMs?: number | undefined;
  /** A lazy host lets a tunnel end after so long without data. */
  readonly idleMs?: number | undefined;
}

/** What a mesh tells. */
export interface MeshEvents {
  /** A peer's state, path or reason has changed. */
  peer: [peer: PeerInfo];
  /** Where this host may be reached has changed. */
  candidates: [candidates: readonly CandidateInfo[]];
  /** One more step on the way to a peer. */
  step: [step: MeshStep];
  /** Something that a person should know of, in one sentence. */
  warning: [message: string];
  /** The interface is there no more; the mesh has closed itself. */
  gone: [error: MeshError];
}

/** Where things are remembered unless something else is said. */
export const DEFAULT_STATE_FOLDER = "/var/lib/sidewire-mesh";
