import { parseAddress } from "../ip/address.js";
import type { Gateway } from "./gateway.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { IgdClient, IgdError, type SearchPlace } from "./igd-client.js";
import { type Granted, type Mapper, Refused, type Wish } from "./mapper.js";
import { SSDP_GROUP_6, SSDP_PORT } from "./ssdp.js";

/** The service of IGD 2 that opens an IPv6 firewall (UPnP WANIPv6FirewallControl:1). */
const FIREWALL_SERVICE = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1";
const UDP = 17;
/** The longest lease of the service, in s. */
const MAX_LEASE_S = 86_400;
/** The lease of a pinhole that is only made to learn its number and then removed, in s. */
const SHORT_LEASE_S = 60;
const NO_SUCH_ENTRY = 704;

/** Makes IPv6 pinholes by UPnP. Addresses and ports are the same on both sides. */
export class PinholeMapper implements Mapper {
  readonly protocol = "upnp-igd";
  readonly #gateway: Gateway;
  readonly #service: IgdClient;
  readonly #lifetimeS: number;
  /** The gateway's numbers of pinholes, by port. */
  readonly #ids = new Map<number, string>();

  private constructor(gateway: Gateway, service: IgdClient, lifetimeS: number) {
    this.#gateway = gateway;
    this.#service = service;
    this.#lifetimeS = Math.min(lifetimeS, MAX_LEASE_S);
  }

  /** @throws an error when the gateway does not answer, or has no such service */
  static async find(
    gateway: Gateway,
    socket: GatewaySocket,
    lifetimeS: number,
    signal: AbortSignal,
    to: SearchPlace = { host: `${SSDP_GROUP_6}%${gateway.device}`, port: SSDP_PORT },
  ): Promise<PinholeMapper> {
    const [service] = await IgdClient.find(gateway, socket, [FIREWALL_SERVICE], to, signal);
    if (service === undefined) throw new Error("UPnP: the gateway opens no pinholes");
    return new PinholeMapper(gateway, service, lifetimeS);
  }

  async map({ internalPort }: Wish, signal: AbortSignal): Promise<Granted> {
    const id = this.#ids.get(internalPort);
    if (id === undefined || !(await this.#renew(id, signal)))
      this.#ids.set(internalPort, await this.#add(internalPort, this.#lifetimeS, signal));
    const address = parseAddress(this.#gateway.own);
    return { address, externalPort: internalPort, lifetimeS: this.#lifetimeS, epochS: undefined };
  }

  async unmap({ internalPort }: Wish, signal: AbortSignal): Promise<void> {
    // Adding an existing pinhole returns its number. So a pinhole of an earlier start is found.
    const id = this.#ids.get(internalPort) ?? (await this.#add(internalPort, SHORT_LEASE_S, signal));
    this.#ids.delete(internalPort);
    await this.#unlessGone(this.#service.act("DeletePinhole", [["UniqueID", id]], signal));
  }

  /** @returns whether the gateway still had the pinhole */
  async #renew(id: string, signal: AbortSignal): Promise<boolean> {
    const args = [
      ["UniqueID", id],
      ["NewLeaseTime", this.#lifetimeS],
    ] as const;
    return await this.#unlessGone(this.#service.act("UpdatePinhole", args, signal));
  }

  async #add(internalPort: number, leaseS: number, signal: AbortSignal): Promise<string> {
    const values = await this.#service.act(
      "AddPinhole",
      [
        ["RemoteHost", ""],
        ["RemotePort", 0],
        ["InternalClient", this.#gateway.own],
        ["InternalPort", internalPort],
        ["Protocol", UDP],
        ["LeaseTime", leaseS],
      ],
      signal,
    );
    const id = values.get("UniqueID") ?? "";
    if (!/^\d{1,5}$/.test(id)) throw new Refused("UPnP: the gateway gives the pinhole no number");
    return id;
  }

  async #unlessGone(done: Promise<unknown>): Promise<boolean> {
    try {
      await done;
      return true;
    } catch (error) {
      if (error instanceof IgdError && error.code === NO_SUCH_ENTRY) return false;
      throw error;
    }
  }
}
