import { type AddressBytes, parseAddress } from "../ip/address.js";
import { isReachable } from "../ip/scope.js";
import type { Gateway } from "./gateway.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { IgdClient, IgdError, type SearchPlace } from "./igd-client.js";
import type { IgdArguments } from "./igd-messages.js";
import type { Granted, Instead, Mapper, Wish } from "./mapper.js";
import { SSDP_GROUP, SSDP_PORT } from "./ssdp.js";

/** The services that map ports, the best first. The first one that exists and is connected is used. */
export const MAPPING_SERVICES: readonly string[] = [
  "urn:schemas-upnp-org:service:WANIPConnection:2",
  "urn:schemas-upnp-org:service:WANIPConnection:1",
  "urn:schemas-upnp-org:service:WANPPPConnection:1",
];

/** The text that a person sees in the gateway's list of mappings. */
const DESCRIPTION = "sidewire-mesh";

/**
 * What may be asked instead, by the gateway's error code. Many gateways answer 402, "invalid arguments", instead of
 * 725, which means that only permanent mappings exist.
 */
const INSTEAD: Readonly<Record<number, Instead>> = {
  402: "permanent",
  718: "other-port",
  724: "same-port",
  725: "permanent",
};

/** The error code for a missing mapping. */
const NO_SUCH_ENTRY = 714;

/** Maps ports by UPnP, with an Internet Gateway Device of version 1 or 2. */
export class IgdMapper implements Mapper {
  readonly protocol = "upnp-igd";
  readonly #gateway: Gateway;
  readonly #service: IgdClient;
  readonly #lifetimeS: number;

  private constructor(gateway: Gateway, service: IgdClient, lifetimeS: number) {
    this.#gateway = gateway;
    this.#service = service;
    this.#lifetimeS = lifetimeS;
  }

  /**
   * Searches the gateway. Answers of other devices are ignored. The first connected service is used.
   * @param to - the destination of the search
   * @throws an error when the gateway does not answer, or has no such service
   */
  static async find(
    gateway: Gateway,
    socket: GatewaySocket,
    lifetimeS: number,
    signal: AbortSignal,
    to: SearchPlace = { host: SSDP_GROUP, port: SSDP_PORT },
  ): Promise<IgdMapper> {
    const services = await IgdClient.find(gateway, socket, MAPPING_SERVICES, to, signal);
    const mappers = services.map((service) => new IgdMapper(gateway, service, lifetimeS));
    for (const mapper of mappers) {
      const address = await mapper.externalAddress(signal).catch(() => undefined);
      signal.throwIfAborted();
      if (address !== undefined && isReachable(address)) return mapper;
    }
    const [first] = mappers;
    if (first === undefined) throw new Error("UPnP: the gateway maps no ports");
    return first;
  }

  async externalAddress(signal: AbortSignal): Promise<AddressBytes | undefined> {
    const values = await this.#act("GetExternalIPAddress", [], signal);
    return parseAddress(values.get("NewExternalIPAddress") ?? "");
  }

  async map({ externalPort, internalPort, isPermanent }: Wish, signal: AbortSignal): Promise<Granted> {
    await this.#act(
      "AddPortMapping",
      [
        ...keyOf(externalPort),
        ["NewInternalPort", internalPort],
        ["NewInternalClient", this.#gateway.own],
        ["NewEnabled", 1],
        ["NewPortMappingDescription", DESCRIPTION],
        ["NewLeaseDuration", isPermanent ? 0 : this.#lifetimeS],
      ],
      signal,
    );
    const [address, entry] = await Promise.all([
      this.externalAddress(signal).catch(() => undefined),
      this.#entry(externalPort, signal).catch(() => undefined),
    ]);
    signal.throwIfAborted();
    const lasts = entry?.get("NewLeaseDuration") ?? "";
    // The gateway's answer takes precedence over the request. 0 means a permanent mapping.
    const lifetimeS = /^\d{1,9}$/.test(lasts) ? Number(lasts) : isPermanent ? 0 : this.#lifetimeS;
    return { address, externalPort, lifetimeS: lifetimeS === 0 ? undefined : lifetimeS, epochS: undefined };
  }

  async unmap({ externalPort, internalPort }: Wish, signal: AbortSignal): Promise<void> {
    // Some gateways let any host remove any mapping, so the mapping must be checked first.
    const entry = await this.#entry(externalPort, signal).catch((error: unknown) => {
      if (error instanceof IgdError && error.code !== NO_SUCH_ENTRY) return undefined;
      if (error instanceof IgdError) return "none";
      throw error;
    });
    if (entry === "none") return;
    const isOther =
      entry !== undefined &&
      (entry.get("NewInternalClient") !== this.#gateway.own ||
        entry.get("NewInternalPort") !== String(internalPort));
    if (isOther) return;
    await this.#act("DeletePortMapping", keyOf(externalPort), signal).catch((error: unknown) => {
      if (!(error instanceof IgdError && error.code === NO_SUCH_ENTRY)) throw error;
    });
  }

  async #entry(externalPort: number, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return await this.#act("GetSpecificPortMappingEntry", keyOf(externalPort), signal);
  }

  async #act(action: string, args: IgdArguments, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    return await this.#service.act(action, args, signal, INSTEAD);
  }
}

/** The key of a mapping: its outside port and protocol. */
function keyOf(externalPort: number): IgdArguments {
  return [
    ["NewRemoteHost", ""],
    ["NewExternalPort", externalPort],
    ["NewProtocol", "UDP"],
  ];
}
