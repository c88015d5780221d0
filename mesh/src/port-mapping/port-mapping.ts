import type { Link, Route } from "../device/network.js";
import type { PortMappingInfo } from "../info.js";
import type { Endpoint } from "../ip/endpoint.js";
import type { GatewayPorts } from "./finder.js";
import { gatewayOf } from "./gateway.js";
import { Mapping } from "./mapping.js";
import { MappingFile } from "./mapping-file.js";

export interface PortMappingOptions {
  readonly stateFolder: string;
  /** The name of the WireGuard interface. */
  readonly name: string;
  readonly onChanged: () => void;
  readonly onWarning: (message: string) => void;
  /** Returns Unix ms. */
  readonly getTime: () => number;
  readonly lifetimeS?: number;
  /** The outside port to ask for first, in IPv4. Default: any port. */
  readonly externalPort?: number | undefined;
  readonly ports?: GatewayPorts;
}

/** Asks this host's gateways to map WireGuard's port to an outside port: one mapping for IPv4, one pinhole for IPv6. */
export class PortMapping {
  readonly #name: string;
  readonly #mappings: ReadonlyMap<4 | 6, Mapping>;

  private constructor(name: string, mappings: ReadonlyMap<4 | 6, Mapping>) {
    this.#name = name;
    this.#mappings = mappings;
  }

  /** @throws {@link MeshError} `FILE` */
  static async open({ stateFolder, name, onWarning, ...means }: PortMappingOptions): Promise<PortMapping> {
    const file = await MappingFile.open(stateFolder, name, means.getTime(), onWarning);
    return new PortMapping(
      name,
      new Map(([4, 6] as const).map((family) => [family, new Mapping({ ...means, file })])),
    );
  }

  /** Handles the current interfaces and routes of the host. */
  look(links: readonly Link[], routes: readonly Route[], listenPort: number): void {
    for (const [family, mapping] of this.#mappings) {
      const gateway = gatewayOf(links, routes, this.#name, family);
      mapping.want(gateway && { gateway, internalPort: listenPort });
    }
  }

  /**
   * Must be called when the network was away, or was replaced by one with the same addresses. The mappings may be gone.
   */
  again(): void {
    for (const mapping of this.#mappings.values()) mapping.again();
  }

  /** The endpoints where peers reach this host by the current mappings. */
  endpoints(): Endpoint[] {
    return [...this.#mappings.values()].flatMap(({ endpoint }) => endpoint ?? []);
  }

  info(): PortMappingInfo[] {
    return [...this.#mappings.values()].flatMap((mapping) => mapping.info() ?? []);
  }

  /** Removes the mappings. Resolves within about a second. */
  async close(): Promise<void> {
    await Promise.all([...this.#mappings.values()].map(async (mapping) => await mapping.close()));
  }
}
