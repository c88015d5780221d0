import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DelayLine } from "./delay-line.js";
import { INTERNET, type LabDescription } from "./description.js";
import { Host } from "./host.js";
import { FORGET_LEAKS, type Leak, readLeaks, watchLine } from "./leaks.js";
import { Link } from "./link.js";
import { delayInterfaceOf, interfaceOf, type LabName, namespaceOf, takeName } from "./names.js";
import { Namespace } from "./namespace.js";
import { Nat } from "./nat.js";
import { type NodePlan, type Plan, plan, type Uplink } from "./plan.js";
import { run } from "./run.js";
import { brokersFileOf, type LabBroker, LabTurn, makeBroker, startStun, stunName } from "./servers.js";
import { removeLab, sweep } from "./sweep.js";

/** What is nobody's but an overlay's in a lab, unless the description says otherwise. */
const OVERLAY: readonly string[] = ["10.9.0.0/16", "fd00::/8"];

/**
 * Builds a network of namespaces. `await using` takes it down, and fails when a packet with an overlay address was
 * seen outside.
 *
 * @example
 * ```ts
 * await using lab = await startLab({
 *   nats: { a: { kind: "port-restricted" }, b: { kind: "symmetric", stray: "accept" } },
 *   hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
 *   brokers: 2,
 *   stun: true,
 * });
 * await lab.host("ha").run(["ping", "-c1", "203.0.113.1"]);
 * ```
 */
export async function startLab(description: LabDescription): Promise<Lab> {
  const whole: LabDescription = { overlay: OVERLAY, ...description };
  const layout = plan(whole);
  sweep();
  const lab = new Lab(takeName(), layout);
  try {
    await lab.build();
  } catch (error) {
    lab.remove();
    throw error;
  }
  return lab;
}

export class Lab implements AsyncDisposable {
  /** Where its files are. It goes with the lab. */
  readonly folder: string;
  /** The brokers, each a process of its own. */
  readonly brokers: readonly LabBroker[];
  /** A file for `--brokers` that names them all. */
  readonly brokersFile: string;
  /** STUN servers as `host:port`: with two addresses for each family. */
  readonly stun: readonly string[];
  readonly #turn: LabTurn | undefined;
  /** The namespace in the middle. */
  readonly middle: Namespace;
  readonly #name: LabName;
  readonly #plan: Plan;
  readonly #nats = new Map<string, Nat>();
  readonly #hosts = new Map<string, Host>();
  #spares = 0;
  #delayLines = 0;
  readonly #removeAtExit = (): void => removeLab(this.#name);

  /** @internal Use {@link startLab}. */
  constructor(name: LabName, layout: Plan) {
    this.#name = name;
    this.#plan = layout;
    this.folder = name.folder;
    this.middle = this.#namespace(INTERNET);
    this.brokers = layout.brokers.map((address) => makeBroker(this.middle, this.folder, address));
    this.brokersFile = join(this.folder, "brokers.json");
    this.stun = layout.stun.flatMap(stunName);
    this.#turn = layout.turn && new LabTurn(this.middle, this.folder, layout.turn);
    for (const nat of layout.nats) {
      const namespace = this.#namespace(nat.name);
      const links = nat.uplinks.map((uplink) => this.#link(uplink));
      const spareAddress = (): string => layout.spareAddress(this.#spares++);
      for (const link of links)
        this.#nats.set(nat.name, new Nat(nat, namespace, this.middle, link, spareAddress, this.folder));
    }
    for (const [i, host] of layout.hosts.entries()) {
      const links = new Map(host.uplinks.map((uplink) => [uplink.device, this.#link(uplink)]));
      const watch = async (prefix: string): Promise<void> => await this.watch(prefix);
      const namespace = this.#namespace(host.name);
      this.#hosts.set(host.name, new Host(host, namespace, links, interfaceOf(name, i), watch));
    }
  }

  /** A host, by its name. */
  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`lab: there is no host ${name}`);
    return host;
  }

  /** A NAT box, by its name. */
  nat(name: string): Nat {
    const nat = this.#nats.get(name);
    if (nat === undefined) throw new Error(`lab: there is no NAT ${name}`);
    return nat;
  }

  /** The TURN server. */
  get turn(): LabTurn {
    if (this.#turn === undefined) throw new Error("lab: there is no TURN server");
    return this.#turn;
  }

  /** What the namespace of a host or NAT box is called. */
  namespaceOf(node: string): string {
    return this.#namespace(node).name;
  }

  /** Makes one more prefix an overlay's, which must not be seen outside. */
  async watch(prefix: string): Promise<void> {
    const nft = watchLine(prefix);
    await Promise.all(this.#watchers().map(async ([, namespace]) => await namespace.set({ nft })));
  }

  /** Packets with overlay addresses that were seen outside so far. */
  async leaks(): Promise<Leak[]> {
    const read = this.#watchers().map(async ([node, namespace]) => await readLeaks(node, namespace));
    return (await Promise.all(read)).flat();
  }

  /** As {@link leaks}, and forgets them: for tests that leak on purpose. */
  async takeLeaks(): Promise<Leak[]> {
    const leaks = await this.leaks();
    await Promise.all(
      this.#watchers().map(async ([, namespace]) => await namespace.set({ nft: FORGET_LEAKS })),
    );
    return leaks;
  }

  /** Takes it down. Throws when there was a leak. */
  async [Symbol.asyncDispose](): Promise<void> {
    let leaks: readonly Leak[];
    try {
      leaks = await this.leaks();
    } finally {
      this.remove();
    }
    if (leaks.length === 0) return;
    const lines = leaks.map(
      ({ seenAt, from, to, protocol, packets }) => `${seenAt}: ${packets} × ${from} → ${to} (${protocol})`,
    );
    throw new Error(`plaintext of the overlay was seen outside:\n${lines.join("\n")}`);
  }

  /** @internal */
  async build(): Promise<void> {
    process.once("exit", this.#removeAtExit);
    const { middle, nats, hosts } = this.#plan;
    const nodes: readonly NodePlan[] = [middle, ...nats, ...hosts];
    const links = nodes.flatMap(({ uplinks }) => uplinks);
    await run(["ip", "-batch", "-"], {
      input: [
        ...nodes.map(({ name }) => `netns add ${this.#namespace(name).name}`),
        ...links.map(({ node, device, parent, port }) => {
          const [lower, upper] = [this.#namespace(node).name, this.#namespace(parent).name];
          return `link add ${device} netns ${lower} type veth peer name ${port} netns ${upper}`;
        }),
        "",
      ].join("\n"),
    });
    writeFileSync(this.brokersFile, brokersFileOf(this.#plan.brokers));
    await Promise.all([
      this.middle.set(middle).then(async () => await this.#startServers()),
      ...nats.map(async (node) => {
        await this.#namespace(node.name).set(node);
        if (node.portMapping) await this.nat(node.name).restartPortMapping();
      }),
      ...hosts.map(async (node) => await this.#namespace(node.name).set(node)),
    ]);
  }

  /** @internal */
  remove(): void {
    process.off("exit", this.#removeAtExit);
    removeLab(this.#name);
  }

  async #startServers(): Promise<void> {
    await Promise.all([
      ...this.brokers.map(async (broker) => await broker.start()),
      this.#turn?.start(),
      ...(this.stun.length > 0 ? [startStun(this.middle, this.folder, this.#plan.stun)] : []),
    ]);
  }

  #namespace(node: string): Namespace {
    return new Namespace(namespaceOf(this.#name, node));
  }

  #link({ node, device, parent, port }: Uplink): Link {
    const startDelay =
      parent === INTERNET
        ? async (): Promise<DelayLine> => {
            const line = this.#delayLines++;
            return await DelayLine.start(this.middle, port, line, (end) =>
              delayInterfaceOf(this.#name, line, end),
            );
          }
        : undefined;
    return new Link(this.#namespace(parent), port, this.#namespace(node), device, startDelay);
  }

  #watchers(): [string, Namespace][] {
    const boxes = [...this.#nats].map(([name, { namespace }]): [string, Namespace] => [name, namespace]);
    return [[INTERNET, this.middle], ...boxes];
  }
}
