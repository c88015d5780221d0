import type { Link } from "./link.js";
import type { Namespace } from "./namespace.js";
import type { NodePlan, Uplink } from "./plan.js";
import type { LongRunning } from "./process.js";
import type { Finished, RunOptions } from "./run.js";
import { startWireguard, type Wireguard, type WireguardOptions } from "./wireguard.js";

/** A host of a lab that runs. */
export class Host {
  readonly name: string;
  readonly namespace: Namespace;
  readonly #plan: NodePlan;
  readonly #links: ReadonlyMap<string, Link>;
  readonly #interface: string;
  readonly #watch: (prefix: string) => Promise<void>;

  constructor(
    plan: NodePlan,
    namespace: Namespace,
    links: ReadonlyMap<string, Link>,
    interfaceName: string,
    watch: (prefix: string) => Promise<void>,
  ) {
    this.name = plan.name;
    this.namespace = namespace;
    this.#plan = plan;
    this.#links = links;
    this.#interface = interfaceName;
    this.#watch = watch;
  }

  /** The name that its WireGuard interface has or would have. */
  get interface(): string {
    return this.#interface;
  }

  /** The addresses of an uplink. */
  addresses(device = "eth0"): string[] {
    const { addresses4, address6 } = this.#uplink(device);
    return [...addresses4, address6 ?? []].flat();
  }

  /** The IPv4 address of an uplink. Throws when it has none. */
  address(device = "eth0"): string {
    const [address] = this.#uplink(device).addresses4;
    if (address === undefined) throw new Error(`lab: ${this.name} has no IPv4 at ${device}`);
    return address;
  }

  /** The IPv6 address of an uplink. Throws when it has none. */
  address6(device = "eth0"): string {
    const { address6 } = this.#uplink(device);
    if (address6 === undefined) throw new Error(`lab: ${this.name} has no IPv6 at ${device}`);
    return address6;
  }

  /** Runs a program to its end and returns what it wrote; throws when it fails. */
  async run(argv: readonly string[], options?: RunOptions): Promise<string> {
    return await this.namespace.run(argv, options);
  }

  /** Runs a program to its end, whatever that is. */
  async tryRun(argv: readonly string[], options?: RunOptions): Promise<Finished> {
    return await this.namespace.tryRun(argv, options);
  }

  /** Starts a program that stays. It ends with the lab at the latest. */
  spawn(argv: readonly string[], env?: NodeJS.ProcessEnv): LongRunning {
    return this.namespace.spawn(argv, env);
  }

  /** Starts Node on a file. */
  node(file: string, args: readonly string[] = [], env?: NodeJS.ProcessEnv): LongRunning {
    return this.spawn([process.execPath, file, ...args], env);
  }

  /** Whether an address answers a ping within a second. */
  async canPing(address: string): Promise<boolean> {
    return (await this.tryRun(["ping", "-n", "-c1", "-W1", address])).code === 0;
  }

  /** Makes a WireGuard interface with wireguard-go. Its addresses must not be seen outside from now on. */
  async wireguard(options: WireguardOptions): Promise<Wireguard> {
    for (const address of [options.address ?? []].flat()) {
      // Every link has link-local addresses of its own.
      const isLinkLocal = address.toLowerCase().startsWith("fe80:");
      await this.#watch(isLinkLocal ? (address.split("/")[0] ?? "") : address);
    }
    return await startWireguard(this.namespace, this.#interface, options);
  }

  /** The link of an uplink. */
  link(device = "eth0"): Link {
    const link = this.#links.get(device);
    if (link === undefined) throw new Error(`lab: ${this.name} has no ${device}`);
    return link;
  }

  /** Takes an uplink down; its addresses and routes go. */
  async down(device: string): Promise<void> {
    await this.namespace.set({ ip: [`addr flush dev ${device}`, `link set ${device} down`] });
  }

  /** Brings an uplink up that is down, with its addresses and routes. */
  async up(device: string): Promise<void> {
    await this.namespace.set({ ip: this.#uplink(device).up });
  }

  #uplink(device: string): Uplink {
    const uplink = this.#plan.uplinks.find((other) => other.device === device);
    if (uplink === undefined) throw new Error(`lab: ${this.name} has no ${device}`);
    return uplink;
  }
}
