import type { AddressBytes } from "../ip/address.js";
import { type Gateway, hostOf } from "./gateway.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { type Granted, type Mapper, Refused, type Wish } from "./mapper.js";
import { decodeNatPmp, encodeNatPmpAddress, encodeNatPmpMap, type NatPmpAnswer } from "./nat-pmp.js";
import { GATEWAY_PORT } from "./pcp.js";

/** The answer to a request of another version, such as PCP. A sender of this version can ignore it. */
const UNSUPPORTED_VERSION = 1;

/** Maps ports by NAT-PMP. The gateway gives another port by itself when the wanted one is taken. */
export class NatPmpMapper implements Mapper {
  readonly protocol = "nat-pmp";
  readonly #gateway: Gateway;
  readonly #socket: GatewaySocket;
  readonly #port: number;
  readonly #lifetimeS: number;

  constructor(gateway: Gateway, socket: GatewaySocket, lifetimeS: number, port: number = GATEWAY_PORT) {
    this.#gateway = gateway;
    this.#socket = socket;
    this.#lifetimeS = lifetimeS;
    this.#port = port;
  }

  /** Resolves with the outside address when the gateway supports NAT-PMP. */
  async find(signal: AbortSignal): Promise<AddressBytes> {
    const read = (answer: NatPmpAnswer): (NatPmpAnswer & { is: "address" }) | undefined =>
      answer.is === "address" ? answer : undefined;
    const { result, address } = await this.#ask(encodeNatPmpAddress(), read, signal);
    if (result !== 0) throw new Refused(`NAT-PMP: error ${result}`);
    return address;
  }

  async map({ internalPort, externalPort }: Wish, signal: AbortSignal): Promise<Granted> {
    const [answer, address] = await Promise.all([
      this.#map(internalPort, externalPort, this.#lifetimeS, signal),
      this.find(signal),
    ]);
    const { externalPort: granted, lifetimeS, epochS } = answer;
    if (granted === 0 || lifetimeS === 0) throw new Refused("NAT-PMP: the gateway grants nothing");
    return { address, externalPort: granted, lifetimeS, epochS };
  }

  async unmap({ internalPort }: Wish, signal: AbortSignal): Promise<void> {
    await this.#map(internalPort, 0, 0, signal);
  }

  async #map(
    internalPort: number,
    externalPort: number,
    lifetimeS: number,
    signal: AbortSignal,
  ): Promise<NatPmpAnswer & { is: "map" }> {
    const read = (answer: NatPmpAnswer): (NatPmpAnswer & { is: "map" }) | undefined =>
      answer.is === "map" && answer.internalPort === internalPort ? answer : undefined;
    const answer = await this.#ask(encodeNatPmpMap(internalPort, externalPort, lifetimeS), read, signal);
    if (answer.result !== 0) throw new Refused(`NAT-PMP: error ${answer.result}`);
    return answer;
  }

  async #ask<T>(
    request: Uint8Array,
    read: (answer: NatPmpAnswer) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    const to = { host: hostOf(this.#gateway), port: this.#port };
    const understood = (bytes: Uint8Array): T | undefined => {
      const answer = decodeNatPmp(bytes);
      return answer === undefined || answer.result === UNSUPPORTED_VERSION ? undefined : read(answer);
    };
    return await this.#socket.ask(request, to, this.#port, understood, signal);
  }
}
