import { INTERNET } from "./description.js";
import type { Link } from "./link.js";
import type { Namespace } from "./namespace.js";
import { type Box, natRules } from "./nat-rules.js";
import type { BoxPlan } from "./plan.js";
import { type PortMappingSettings, startPortMapping } from "./port-mapping.js";
import type { LongRunning } from "./process.js";

/** A NAT box of a lab that runs. */
export class Nat {
  readonly name: string;
  readonly namespace: Namespace;
  /** Its link to the outside. */
  readonly link: Link;
  readonly #plan: BoxPlan;
  readonly #middle: Namespace;
  readonly #spareAddress: () => string;
  readonly #folder: string;
  #box: Box;
  #portMapper: LongRunning | undefined;

  constructor(
    plan: BoxPlan,
    namespace: Namespace,
    middle: Namespace,
    link: Link,
    spareAddress: () => string,
    folder: string,
  ) {
    this.#folder = folder;
    this.name = plan.name;
    this.namespace = namespace;
    this.link = link;
    this.#plan = plan;
    this.#middle = middle;
    this.#spareAddress = spareAddress;
    this.#box = plan.box;
  }

  /** Its outside IPv4 addresses. */
  get outside(): readonly string[] {
    return this.#box.outside;
  }

  /** Starts miniupnpd anew, with other settings; mappings that it made are gone. */
  async restartPortMapping(settings?: PortMappingSettings): Promise<void> {
    await this.#portMapper?.kill();
    this.#portMapper = await startPortMapping(this.namespace, this.#folder, settings);
  }

  /** What miniupnpd has mapped: lines of its chains. */
  async mappedPorts(): Promise<{ readonly outside: number; readonly inside: string }[]> {
    const chain = await this.namespace.run(["nft", "list", "chain", "inet", "miniupnpd", "mapped"]);
    return Array.from(chain.matchAll(/dport (\d+) dnat ip to (\S+)/g), ([, outside, inside = ""]) => ({
      outside: Number(outside),
      inside,
    }));
  }

  /** Forgets all mappings, as after a restart. */
  async forget(): Promise<void> {
    await this.namespace.set({ nft: natRules(this.#box) });
    await this.namespace.run(["conntrack", "-F"]);
  }

  /**
   * Gives it another outside IPv4 address, as a provider does at night. Mappings are gone; hosts behind it are not
   * told.
   * @returns the new address
   */
  async changeAddress(): Promise<string> {
    const [wan] = this.#plan.uplinks;
    const { outside } = this.#box;
    if (wan?.parent !== INTERNET || outside.length !== 1)
      throw new Error(`lab: ${this.name} has not one address outside, so that it could change`);
    const [[old = ""], fresh] = [outside, this.#spareAddress()];
    this.#box = { ...this.#box, outside: [fresh] };
    await this.#middle.set({
      ip: [`route add ${fresh}/32 dev ${wan.port}`, `route del ${old}/32 dev ${wan.port}`],
    });
    // The new one first: with the last address the routes would go.
    await this.namespace.set({ ip: [`addr add ${fresh}/32 dev wan`, `addr del ${old}/32 dev wan`] });
    await this.forget();
    return fresh;
  }
}
