import type { BrokerPool } from "sidewire";
import type { ReportedInterfaces } from "../candidates/interfaces.js";
import type { NewInterface, NewPeer } from "../device/create.js";
import type { TrustLevel } from "../facts/trust.js";
import type { Endpoint } from "../ip/endpoint.js";
import type { Prefix } from "../ip/prefix.js";
import type { TurnOptions } from "../turn/turn-server.js";

/** Programs of the user that the daemon runs. No shell is used. */
export interface Hooks {
  /** Run before and after the start. If a program fails, the start fails. */
  readonly preUp?: readonly Argv[] | undefined;
  readonly postUp?: readonly Argv[] | undefined;
  /** Run before and after the end. */
  readonly preDown?: readonly Argv[] | undefined;
  readonly postDown?: readonly Argv[] | undefined;
  /** Run when a peer gets another state or another path. */
  readonly exec?: readonly Argv[] | undefined;
}

/** A program and its arguments. */
export type Argv = readonly string[];

/** The result of reading a configuration, whatever its format. Each format has its own file in this folder. */
export interface Settings {
  /** The name of the interface. */
  readonly interface?: string | undefined;
  /** How to make the interface; undefined when the interface exists already and is used as it is configured. */
  readonly create?: NewInterface | undefined;
  /** Peers that are added to an existing interface. */
  readonly peers?: readonly NewPeer[] | undefined;
  readonly brokers?: BrokerPool | undefined;
  /** STUN servers, each as `host:port`. */
  readonly stun?: readonly string[] | undefined;
  readonly turn?: readonly TurnOptions[] | undefined;
  /** Whether this host relays between peers. */
  readonly relay?: boolean | undefined;
  /** Whether peers have a tunnel only while it is used. Default: no. */
  readonly lazy?: boolean | undefined;
  /** Whether peers are looked for on the own LANs. Default: yes. */
  readonly lanDiscovery?: boolean | undefined;
  /** Whether gateways are asked for port mappings. Default: yes. */
  readonly portMapping?: boolean | undefined;
  /** Whether members of a network get names in the hosts file. Default: yes. */
  readonly hosts?: boolean | undefined;
  /** Whether these names are also answered by DNS. Default: no. */
  readonly dns?: boolean | undefined;
  /** The outside port that gateways are asked for first, in IPv4. Default: any port. */
  readonly externalPort?: number | undefined;
  /** The interfaces whose addresses are told to peers. Default: all except that of the tunnel. */
  readonly reported?: ReportedInterfaces | undefined;
  /** The endpoint where metrics are served over HTTP. Default: none. */
  readonly metrics?: Endpoint | undefined;
  readonly hooks?: Hooks | undefined;
  readonly stateFolder?: string | undefined;
  /** The names of peers, by their public keys in base64. */
  readonly names: ReadonlyMap<string, string>;
  /** The places of peers that are names, `HOST:PORT` as the file writes them, by public key in base64. */
  readonly hostPlaces?: ReadonlyMap<string, string> | undefined;
  /** What each peer is believed and told about other peers, by its public key in base64. */
  readonly trust?: ReadonlyMap<string, TrustLevel> | undefined;
  /** Whether all peers are told where the other peers are. Default: no. */
  readonly chatty?: boolean | undefined;
  /** Whether this host carries packets between its peers. Default: no. */
  readonly router?: boolean | undefined;
  /** Where the list of nodes is: a URL, or the absolute path of a file. Default: none. */
  readonly peersUrl?: URL | string | undefined;
  /** The port where this host serves its key and its place over HTTP. Default: none. */
  readonly publish?: number | undefined;
  /** The range in which this host and its peers have addresses by their numbers in the list of nodes. Default: none. */
  readonly indexOverlay?: Prefix | undefined;
  /** A sentence for each part of the file that has no effect here, or an unexpected one. */
  readonly notes?: readonly string[] | undefined;
}
