import { parseAddress } from "../ip/address.js";
import { type Gateway, hostOf } from "./gateway.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { type Granted, type Mapper, Refused, type Wish } from "./mapper.js";
import {
  decodePcp,
  encodePcpAnnounce,
  encodePcpMap,
  GATEWAY_PORT,
  type PcpAnswer,
  PcpResult,
} from "./pcp.js";

/** Maps ports by PCP: a port for IPv4, a pinhole for IPv6. */
export class PcpMapper implements Mapper {
  readonly protocol = "pcp";
  readonly #gateway: Gateway;
  readonly #socket: GatewaySocket;
  readonly #port: number;
  readonly #client: Uint8Array;
  readonly #lifetimeS: number;

  constructor(gateway: Gateway, socket: GatewaySocket, lifetimeS: number, port: number = GATEWAY_PORT) {
    this.#gateway = gateway;
    this.#socket = socket;
    this.#port = port;
    this.#lifetimeS = lifetimeS;
    this.#client = parseAddress(gateway.own) ?? new Uint8Array(gateway.family === 4 ? 4 : 16);
  }

  /**
   * Resolves when the gateway supports PCP. Old versions of miniupnpd answer that the request is not supported, which
   * is enough.
   */
  async find(signal: AbortSignal): Promise<void> {
    const request = encodePcpAnnounce(this.#client);
    await this.#ask(request, (answer) => (answer.is === "announce" ? answer : undefined), signal);
  }

  async map(wish: Wish, signal: AbortSignal): Promise<Granted> {
    const answer = await this.#map(wish, this.#lifetimeS, signal);
    if (answer.result === PcpResult.CannotProvideExternal)
      throw new Refused("PCP: the port outside is taken", "other-port");
    if (answer.result !== PcpResult.Success) throw new Refused(`PCP: error ${answer.result}`);
    const { address, externalPort, lifetimeS, epochS } = answer;
    if (externalPort === 0 || lifetimeS === 0) throw new Refused("PCP: the gateway grants nothing");
    return { address, externalPort, lifetimeS, epochS };
  }

  async unmap(wish: Wish, signal: AbortSignal): Promise<void> {
    const { result } = await this.#map(wish, 0, signal);
    if (result !== PcpResult.Success) throw new Refused(`PCP: error ${result}`);
  }

  async #map(wish: Wish, lifetimeS: number, signal: AbortSignal): Promise<PcpAnswer & { is: "map" }> {
    const { internalPort, nonce } = wish;
    const externalPort = lifetimeS === 0 ? 0 : wish.externalPort;
    const request = encodePcpMap({ client: this.#client, nonce, lifetimeS, internalPort, externalPort });
    const read = (answer: PcpAnswer): (PcpAnswer & { is: "map" }) | undefined =>
      answer.is === "map" && answer.internalPort === internalPort && Buffer.compare(answer.nonce, nonce) === 0
        ? answer
        : undefined;
    return await this.#ask(request, read, signal);
  }

  async #ask<T>(
    request: Uint8Array,
    read: (answer: PcpAnswer) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    const to = { host: hostOf(this.#gateway), port: this.#port };
    const understood = (bytes: Uint8Array): T | undefined => {
      const answer = decodePcp(bytes);
      return answer && read(answer);
    };
    return await this.#socket.ask(request, to, this.#port, understood, signal);
  }
}
