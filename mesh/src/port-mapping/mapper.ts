import type { AddressBytes } from "../ip/address.js";

/** How a gateway is asked for a port. */
export type MappingProtocol = "pcp" | "nat-pmp" | "upnp-igd";

/** A mapping that is asked for. */
export interface Wish {
  /** The port of the own host that packets are to come to. */
  readonly internalPort: number;
  /** The port outside: the gateway may give another one. */
  readonly externalPort: number;
  /** By which the gateway knows who made a mapping; 12 bytes. Only PCP has it. */
  readonly nonce: Uint8Array;
  /** The gateway knows only mappings that stay until they are removed. */
  readonly isPermanent: boolean;
}

/** What the gateway gave. */
export interface Granted {
  /** As the gateway says: nobody has checked it. Undefined when it does not say. */
  readonly address: AddressBytes | undefined;
  readonly externalPort: number;
  /** Seconds that it lasts; undefined when it stays until it is removed. */
  readonly lifetimeS: number | undefined;
  /** Seconds since the gateway has its mappings; undefined when it does not say. */
  readonly epochS: number | undefined;
}

/** One way to ask one gateway. */
export interface Mapper {
  readonly protocol: MappingProtocol;
  /**
   * Makes a mapping, or makes it last longer.
   * @throws {@link Refused} when the gateway says no; another error when it says nothing that is understood
   */
  map(wish: Wish, signal: AbortSignal): Promise<Granted>;
  /** Removes a mapping; resolves when the gateway says that it is gone. */
  unmap(wish: Wish, signal: AbortSignal): Promise<void>;
}

/** What may be asked instead. */
export type Instead = "other-port" | "permanent" | "same-port";

/** The gateway says no. */
export class Refused extends Error {
  readonly instead: Instead | undefined;

  constructor(message: string, instead?: Instead) {
    super(message);
    this.instead = instead;
  }
}
