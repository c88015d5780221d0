import type { BrokerPool } from "sidewire";
import type { NewInterface } from "../device/create.js";
import type { TrustLevel } from "../facts/trust.js";
import type { TurnOptions } from "../turn/turn-server.js";

/**
 * What a configuration comes to, whichever its format. Each format has a file in this folder that makes these of it.
 */
export interface Settings {
  /** The name of the interface. */
  readonly interface?: string | undefined;
  /** What the interface is made with; undefined when it is there already, and used as it is configured. */
  readonly create?: NewInterface | undefined;
  readonly brokers?: BrokerPool | undefined;
  /** `host:port` each. */
  readonly stun?: readonly string[] | undefined;
  readonly turn?: readonly TurnOptions[] | undefined;
  /** Relays between peers. */
  readonly relay?: boolean | undefined;
  /** Peers have a tunnel only while it is used. Default: no. */
  readonly lazy?: boolean | undefined;
  /** Whether peers are looked for on the own LANs. Default: yes. */
  readonly lanDiscovery?: boolean | undefined;
  /** Whether gateways are asked for ports. Default: yes. */
  readonly portMapping?: boolean | undefined;
  /** Whether members of a network get names in the hosts file. Default: yes. */
  readonly hosts?: boolean | undefined;
  /** Whether names are answered by DNS, too. Default: no. */
  readonly dns?: boolean | undefined;
  readonly stateFolder?: string | undefined;
  /** What peers are called, by their public key in base64. */
  readonly names: ReadonlyMap<string, string>;
  /** What peers are believed, and that they are told, by their public key in base64. */
  readonly trust?: ReadonlyMap<string, TrustLevel> | undefined;
}
