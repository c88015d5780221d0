import type { AddressBytes } from "../ip/address.js";

/** The protocol of a port mapping. */
export type MappingProtocol = "pcp" | "nat-pmp" | "upnp-igd";

/** A wanted mapping. */
export interface Wish {
  /** The port of this host that packets must come to. */
  readonly internalPort: number;
  /** The wanted outside port. The gateway may give another one. */
  readonly externalPort: number;
  /** Identifies the owner of a mapping for the gateway; 12 bytes. Only PCP uses it. */
  readonly nonce: Uint8Array;
  /** Whether the gateway only supports permanent mappings. */
  readonly isPermanent: boolean;
}

/** A mapping that the gateway has given. */
export interface Granted {
  /** The outside address according to the gateway, not checked; undefined when the gateway does not say. */
  readonly address: AddressBytes | undefined;
  readonly externalPort: number;
  /** The lifetime in seconds; undefined for a permanent mapping. */
  readonly lifetimeS: number | undefined;
  /** How long the gateway has had its mappings, in seconds; undefined when it does not say. */
  readonly epochS: number | undefined;
}

/** One protocol for one gateway. */
export interface Mapper {
  readonly protocol: MappingProtocol;
  /**
   * Makes a mapping, or renews it.
   * @throws {@link Refused} when the gateway refuses; another error when there is no valid answer
   */
  map(wish: Wish, signal: AbortSignal): Promise<Granted>;
  /** Removes a mapping. Resolves when the gateway says that it is gone. */
  unmap(wish: Wish, signal: AbortSignal): Promise<void>;
}

/** What may be asked instead after a refusal. */
export type Instead = "other-port" | "permanent" | "same-port";

/** The gateway has refused. */
export class Refused extends Error {
  readonly instead: Instead | undefined;

  constructor(message: string, instead?: Instead) {
    super(message);
    this.instead = instead;
  }
}
