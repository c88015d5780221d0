import type { Gateway } from "./gateway.js";
import type { GatewaySocket } from "./gateway-socket.js";
import { ask } from "./http.js";
import {
  decodeAnswer,
  encodeAction,
  type IgdArguments,
  type IgdService,
  servicesOf,
} from "./igd-messages.js";
import { type Instead, Refused } from "./mapper.js";
import { decodeSearchAnswer, encodeSearch } from "./ssdp.js";

/** The destination of a UPnP search. */
export interface SearchPlace {
  readonly host: string;
  readonly port: number;
}

/** One service of a UPnP gateway. */
export class IgdClient {
  readonly #gateway: Gateway;
  readonly #service: IgdService;

  private constructor(gateway: Gateway, service: IgdService) {
    this.#gateway = gateway;
    this.#service = service;
  }

  /**
   * Searches the services of the gateway. Answers of other devices are ignored.
   * @param types - the types of services, the best first
   * @returns the services that the gateway has, the best first
   * @throws an error when the gateway does not answer
   */
  static async find(
    gateway: Gateway,
    socket: GatewaySocket,
    types: readonly string[],
    to: SearchPlace,
    signal: AbortSignal,
  ): Promise<IgdClient[]> {
    const url = await socket.ask(encodeSearch(to.host), to, undefined, decodeSearchAnswer, signal);
    const { status, text } = await ask(gateway, { url }, signal);
    if (status !== 200) throw new Error(`UPnP: the description is answered with ${status}`);
    return servicesOf(text, url, types).map((service) => new IgdClient(gateway, service));
  }

  /**
   * Calls an action of the service.
   * @param instead - what may be asked instead, by the gateway's error code
   * @throws {@link IgdError} when the gateway refuses
   */
  async act(
    action: string,
    args: IgdArguments,
    signal: AbortSignal,
    instead: Readonly<Record<number, Instead>> = {},
  ): Promise<ReadonlyMap<string, string>> {
    const { type, control } = this.#service;
    const headers = { "content-type": 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"` };
    const body = encodeAction(type, action, args);
    const { status, text } = await ask(this.#gateway, { url: control, body, headers }, signal);
    const answer = status === 200 || status === 500 ? decodeAnswer(text, action) : undefined;
    if (answer === undefined) throw new Error(`UPnP: ${action} is answered with ${status}, and no sense`);
    if (answer.is === "error") throw new IgdError(action, answer.code, instead[answer.code]);
    return answer.values;
  }
}

/** The gateway has refused. */
export class IgdError extends Refused {
  readonly code: number;

  constructor(action: string, code: number, instead: Instead | undefined) {
    super(`UPnP: ${action} failed with error ${code}`, instead);
    this.code = code;
  }
}
