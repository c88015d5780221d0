import { setTimeout as delay } from "node:timers/promises";
import type { Runner } from "../device/command.js";
import { parseNeighbours, showNeighbours } from "../device/network.js";
import { Programs } from "../device/programs.js";
import { Budgets } from "../probe/budgets.js";
import type { Gateway } from "./gateway.js";

/** When the kernel's neighbours are looked at, in ms after the address was touched. The kernel has to ask for it first. */
const LOOK_AFTER_MS = [20, 80, 200] as const;
/** Limit of addresses that are looked at: anybody on the link can send from many. */
const LOOKS = { perSecond: 1, burst: 4 } as const;

/** What looking for the addresses of a router needs. */
export interface RouterAddressesMeans {
  /** Sends something to an address, so that the kernel asks for its link-layer address. */
  readonly touch: (address: string) => void;
  /** Default: the programs of the system. */
  readonly runner?: Runner;
}

/**
 * Tells whether an IPv6 address belongs to the router. The router is known by one address, mostly a link-local one, but it
 * answers from the address that fits the question. An address is the router's if it has the same link-layer address.
 */
export class RouterAddresses {
  readonly #gateway: Gateway;
  readonly #means: RouterAddressesMeans;
  readonly #runner: Runner;
  readonly #looks = new Budgets(LOOKS.perSecond, LOOKS.burst, 1);
  readonly #known = new Set<string>();

  constructor(gateway: Gateway, means: RouterAddressesMeans) {
    this.#gateway = gateway;
    this.#means = means;
    this.#runner = means.runner ?? new Programs();
  }

  /**
   * @param address - as Node names it: a link-local one has its interface
   * @param now - monotonic ms
   */
  async has(address: string, now: number): Promise<boolean> {
    const { device, family, address: router } = this.#gateway;
    const [bare = "", zone = device] = address.split("%");
    if (family !== 6 || zone !== device) return false;
    if (this.#known.has(bare)) return true;
    if (!this.#looks.take("", now)) return false;
    this.#means.touch(address);
    for (const ms of LOOK_AFTER_MS) {
      await delay(ms);
      const neighbours = await this.#neighbours();
      const [one, other] = [neighbours.get(router), neighbours.get(bare)];
      if (one === undefined || other === undefined) continue;
      if (one === other) this.#known.add(bare);
      return one === other;
    }
    return false;
  }

  async #neighbours(): Promise<ReadonlyMap<string, string>> {
    try {
      return parseNeighbours(await this.#runner.run(showNeighbours(this.#gateway.device)));
    } catch {
      return new Map();
    }
  }
}
