import { MeshError } from "../errors.js";
import type { Command, Runner } from "./command.js";
import {
  type Link,
  type Network,
  parseLinks,
  parseNetwork,
  parseRoutes,
  parseWay,
  type Route,
  routeGet,
  SHOW_LINKS,
  SHOW_NETWORK,
  SHOW_ROUTES,
  SHOW_RULES,
  type Way,
} from "./network.js";
import { showDevice } from "./plan.js";
import { type DeviceState, parseDump } from "./state.js";

/** Reads the state of an interface and of the network around it. Changes nothing. */
export class Reader {
  readonly #name: string;
  readonly #runner: Runner;

  readonly #complete: (shown: DeviceState) => DeviceState;

  /** @param complete - adds the allowed IPs that peers own and WireGuard does not have */
  constructor(
    name: string,
    runner: Runner,
    complete: (shown: DeviceState) => DeviceState = (shown) => shown,
  ) {
    this.#name = name;
    this.#runner = runner;
    this.#complete = complete;
  }

  /**
   * WireGuard's state.
   * @throws {@link MeshError} `NO_INTERFACE`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED`
   */
  async state(signal?: AbortSignal): Promise<DeviceState> {
    let text: string;
    try {
      text = await this.#runner.run(showDevice(this.#name), signal);
    } catch (error) {
      if (error instanceof MeshError && error.code === "COMMAND_FAILED") throw await this.#explain(error);
      throw error;
    }
    return this.#complete(parseDump(this.#name, text));
  }

  async links(signal?: AbortSignal): Promise<Link[]> {
    return parseLinks(await this.#runner.run(SHOW_LINKS, signal));
  }

  async routes(signal?: AbortSignal): Promise<Route[]> {
    return parseRoutes(await this.#runner.run(SHOW_ROUTES, signal));
  }

  async network(signal?: AbortSignal): Promise<Network> {
    return parseNetwork(await this.#runner.run(SHOW_NETWORK, signal));
  }

  /** Like {@link network}, with the rules that choose a routing table. */
  async networkWithRules(signal?: AbortSignal): Promise<Network> {
    const rules = SHOW_RULES.map(async (command) => await this.#rules(command, signal));
    const [network, ...shown] = await Promise.all([this.network(signal), ...rules]);
    return { ...network, rules: shown.join("") };
  }

  /** @returns undefined when there is no route */
  async way(address: string, fwmark: number, signal?: AbortSignal): Promise<Way | undefined> {
    try {
      return parseWay(await this.#runner.run(routeGet(address, fwmark), signal));
    } catch (error) {
      // The kernel itself refuses: any kind of blocking route gives such an answer.
      if (error instanceof MeshError && error.message.includes("RTNETLINK answers")) return undefined;
      throw error;
    }
  }

  /** The interface itself, as a link. */
  async findLink(signal?: AbortSignal): Promise<Link | undefined> {
    return (await this.links(signal)).find(({ name }) => name === this.#name);
  }

  /** @throws {@link MeshError} `NO_INTERFACE` */
  async link(signal?: AbortSignal): Promise<Link> {
    return this.own(await this.links(signal));
  }

  /** The interface itself, from a list of links. @throws {@link MeshError} `NO_INTERFACE` */
  own(links: readonly Link[]): Link {
    const link = links.find(({ name }) => name === this.#name);
    if (link === undefined) throw this.#missing();
    return link;
  }

  /** @returns an empty text if the kernel has no rules of this family: then the command fails */
  async #rules(command: Command, signal: AbortSignal | undefined): Promise<string> {
    try {
      return await this.#runner.run(command, signal);
    } catch (error) {
      if (error instanceof MeshError && error.code === "COMMAND_FAILED") return "";
      throw error;
    }
  }

  /** Why WireGuard shows nothing. The error of `wg` is the same for every reason. */
  async #explain(cause: MeshError): Promise<MeshError> {
    const link = await this.findLink().catch(() => undefined);
    if (link === undefined) return this.#missing(cause);
    const why =
      link.kind === "tun"
        ? "is a TUN interface, and no wireguard-go answers for it: start it again"
        : `is not an interface of WireGuard${link.kind === undefined ? "" : `, but of the kind ${link.kind}`}`;
    return new MeshError("NO_INTERFACE", `${this.#name} ${why}`, { cause });
  }

  #missing(cause?: unknown): MeshError {
    const name = this.#name;
    return new MeshError(
      "NO_INTERFACE",
      `there is no interface ${name}: bring it up first, for example by \`wg-quick up ${name}\`, or let ` +
        "`--create` make it",
      { cause },
    );
  }
}
