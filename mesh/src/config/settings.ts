import type { BrokerPool } from "sidewire";
import type { Endpoint } from "../ip/endpoint.js";
import type { Prefix } from "../ip/prefix.js";

/**
 * What a configuration comes to, whichever its format. Each format has a file in this folder that makes these of it.
 */
export interface Settings {
  /** The name of the interface. */
  readonly interface?: string | undefined;
  /** What the interface is made with; undefined when it is there already, and used as it is configured. */
  readonly create?: InterfaceSettings | undefined;
  readonly brokers?: BrokerPool | undefined;
  /** `host:port` each. */
  readonly stun?: readonly string[] | undefined;
  readonly stateFolder?: string | undefined;
  /** What peers are called, by their public key in base64. */
  readonly names: ReadonlyMap<string, string>;
}

/** An interface that is to be made. */
export interface InterfaceSettings {
  readonly privateKey: Uint8Array;
  readonly listenPort?: number | undefined;
  readonly addresses: readonly AddressSettings[];
  readonly peers: readonly PeerSettings[];
}

/** An address in a prefix that is directly connected. */
export interface AddressSettings {
  readonly address: string;
  readonly prefix: Prefix;
}

export interface PeerSettings {
  readonly publicKey: Uint8Array;
  readonly allowedIps: readonly Prefix[];
  readonly endpoint?: Endpoint | undefined;
}
