import { EventEmitter } from "node:events";
import { MeshError } from "../errors.js";
import { type Endpoint, formatEndpoint, parseEndpoint } from "../ip/endpoint.js";
import type { Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { type Changes, noChanges, type WithheldRecords } from "./changes.js";
import {
  checkConfigured,
  checkInterfaceName,
  checkOverlay,
  checkPeers,
  lansIn,
  networksOf,
} from "./checks.js";
import { type Command, formatCommand, Recorder, type Runner } from "./command.js";
import {
  addressCommands,
  configureCommands,
  createInterface,
  deleteInterface,
  type NewInterface,
  networkCommands,
  plannedState,
  withPrivateKey,
} from "./create.js";
import { incarnationOf, isOf, UNMADE } from "./incarnation.js";
import { Journal } from "./journal.js";
import { Ledger } from "./ledger.js";
import { Lock } from "./lock.js";
import { MemberPeers } from "./member-peers.js";
import type { UnusedRoute } from "./member-routes.js";
import type { Members } from "./members.js";
import { Monitor } from "./monitor.js";
import { NarrowRoutes } from "./narrow-routes.js";
import type { Link, Network, Way } from "./network.js";
import type { DeviceEvents, DeviceOptions, UseOptions } from "./options.js";
import { keepaliveFor, renewPeer, restPeers, setPrivateKey, useEndpoint } from "./plan.js";
import { Programs } from "./programs.js";
import { Reader } from "./reader.js";
import { planRecreation } from "./recreate.js";
import { StandingLinkLocals } from "./standing-link-locals.js";
import { StandingTable } from "./standing-table.js";
import { StandingWithheld } from "./standing-withheld.js";
import type { DevicePeer, DeviceState } from "./state.js";
import { Turns } from "./turns.js";
import { restorePeers } from "./undo.js";
import { type Wanted, withOwned } from "./withheld.js";

/**
 * A WireGuard interface, of the kernel or of wireguard-go. Only this class changes it. Each change is recorded in a
 * file first. {@link close} undoes all changes, including those of an earlier run that was killed. Changes that others
 * made meanwhile stay.
 */
export class Device extends EventEmitter<DeviceEvents> implements AsyncDisposable {
  readonly name: string;
  readonly #programs: Programs;
  readonly #reader: Reader;
  readonly #recorder: Recorder | undefined;
  readonly #changer: Runner;
  readonly #ledger: Ledger;
  readonly #journal: Journal;
  readonly #table: StandingTable;
  #create: NewInterface | undefined;
  #found: Network = { links: [], routes: [] };
  /** So that no operation reads a state that another operation is about to change. */
  readonly #turns: Turns;
  #lock: Lock | undefined;
  #monitor: Monitor | undefined;
  #state: DeviceState;
  readonly #routes: NarrowRoutes;
  /** The members that must be among the peers, besides the peers that were found. */
  readonly #members: MemberPeers;
  readonly #linkLocals: StandingLinkLocals;
  readonly #withheld: StandingWithheld;
  #maintaining: Promise<void> | undefined;
  #isWoken = false;
  /** The problem of the last restoration. */
  #trouble: string | undefined;
  #closed: Promise<void> | undefined;
  readonly #undone: string[] = [];

  private constructor(name: string, options: DeviceOptions) {
    super();
    this.name = name;
    this.#turns = new Turns(name);
    this.#programs = options.programs ?? new Programs();
    this.#reader = new Reader(name, this.#programs, (shown) =>
      withOwned(shown, this.#journal.changes.withheld),
    );
    this.#recorder = options.isDryRun ? new Recorder() : undefined;
    this.#changer = this.#recorder ?? this.#programs;
    this.#ledger = new Ledger(options.stateFolder, name);
    this.#journal = new Journal({
      ledger: options.isDryRun ? undefined : this.#ledger,
      onTrouble: (message) => this.emit("warning", message),
    });
    this.#table = new StandingTable({
      name,
      reader: options.isDryRun ? undefined : this.#programs,
      changer: this.#changer,
      journal: this.#journal,
    });
    this.#routes = new NarrowRoutes({
      name,
      reader: this.#reader,
      changer: this.#changer,
      journal: this.#journal,
    });
    this.#members = new MemberPeers({
      reader: this.#reader,
      changer: this.#changer,
      journal: this.#journal,
    });
    this.#linkLocals = new StandingLinkLocals({
      reader: this.#reader,
      changer: this.#changer,
      journal: this.#journal,
    });
    this.#withheld = new StandingWithheld({
      reader: this.#reader,
      changer: this.#changer,
      journal: this.#journal,
      onTrouble: (message) => this.emit("warning", message),
    });
    this.#create = options.create;
    this.#state = plannedState(name, options.create);
  }

  /**
   * Adopts an interface as it is configured, or makes it.
   * @throws {@link MeshError} `INVALID_OPTION`, `NO_INTERFACE`, `NOT_CONFIGURED` (no private key, no port, or down),
   * `OWN_KEY`, `LOW_ORDER_KEY`, `CONFLICT`, `IN_USE`, `FILE`, `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`,
   * `TIMEOUT`, `ABORTED`
   */
  static async open(name: string, options: DeviceOptions): Promise<Device> {
    checkInterfaceName(name);
    const device = new Device(name, options);
    try {
      if (!options.isDryRun) device.#lock = await Lock.take(name, options.lockFolder);
      await device.#open(options.signal);
    } catch (error) {
      // Nothing stays half done. Changes of an earlier run wait for the next start.
      if (device.#journal.changes.isCreated) await device.#undo().catch(() => undefined);
      await device.#lock?.release();
      throw error;
    }
    return device;
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    const left = await this.#ledger.load();
    if (this.#create !== undefined) {
      await this.#make(this.#create, left, signal);
      if (this.#recorder !== undefined) return;
    }
    const [network, state] = await Promise.all([this.#reader.network(signal), this.#reader.state(signal)]);
    const { links } = network;
    const link = this.#reader.own(links);
    this.#found = network;
    if (!link.isUp)
      throw new MeshError("NOT_CONFIGURED", `${this.name} is down: \`ip link set dev ${this.name} up\``);
    this.#state = checkConfigured(state);
    checkOverlay(this.name, networksOf(link), lansIn(links));
    await this.#adopt(left, link);
    this.#state = withOwned(this.#state, this.#journal.changes.withheld);
    await this.#journal.noteFound(this.#state, "write");
    if (this.#recorder === undefined) this.#monitor = new Monitor(this.#programs, () => this.#wake());
  }

  /** The state at the last {@link read}. */
  get state(): DeviceState {
    return this.#state;
  }

  /** The commands that would have been run, in a dry run. */
  get planned(): readonly string[] {
    return this.#recorder?.commands.map(formatCommand) ?? [];
  }

  /**
   * Reads the interface's state.
   * @throws {@link MeshError} `NO_INTERFACE` when the interface disappeared, `NOT_PERMITTED`, `COMMAND_FAILED`,
   * `TIMEOUT`, `ABORTED`, `CLOSED`
   */
  async read(signal?: AbortSignal): Promise<DeviceState> {
    return await this.#turns.take(signal, async (either) => {
      this.#state = await this.#reader.state(either);
      await this.#journal.noteFound(this.#state, "keep");
      return this.#state;
    });
  }

  /**
   * Makes WireGuard use an endpoint for a peer, and send a packet there at once.
   * @param publicKey - the peer's key, in base64
   * @throws {@link MeshError} `NO_PEER` when the interface has no such peer (any more), and the errors of {@link read}
   */
  async use(publicKey: string, endpoint: Endpoint, options: UseOptions): Promise<void> {
    const { isFresh, isWanted, signal } = options;
    await this.#turns.take(signal, async (either) => {
      this.#state = await this.#reader.state(either);
      // Writing to the disk may take long, and the change must be based on the current state.
      if (await this.#journal.noteFound(this.#state, "keep")) this.#state = await this.#reader.state(either);
      if (isWanted?.(this.#state) === false) return;
      // `wg set` makes a missing peer with the given allowed IPs. A peer that the user has removed or changed meanwhile
      // must not come back with its old settings.
      const peer = this.#peer(publicKey);
      const use = { endpoint: formatEndpoint(endpoint), keepaliveS: keepaliveFor(peer) };
      const command = isFresh ? renewPeer(this.name, peer, use) : useEndpoint(this.name, publicKey, use);
      await this.#changer.run(command, either);
    });
  }

  /**
   * Ends the tunnels to peers until they are used again. Their sessions are removed, and packets for them go to an
   * endpoint.
   */
  async rest(publicKeys: readonly string[], endpoint: Endpoint): Promise<DeviceState> {
    return await this.#turns.take(undefined, async (signal) => {
      const state = await this.#reader.state(signal);
      await this.#journal.noteFound(state, "keep");
      const named = new Set(publicKeys);
      const peers = state.peers.filter(({ publicKey }) => named.has(publicKey));
      for (const command of restPeers(this.name, peers, formatEndpoint(endpoint)))
        await this.#changer.run(command, signal);
      this.#state = await this.#reader.state(signal);
      return this.#state;
    });
  }

  /** The endpoint of a peer before any change. */
  foundEndpoint(publicKey: string): Endpoint | undefined {
    return parseEndpoint(this.#journal.changes.peers[publicKey]?.endpoint ?? "");
  }

  /**
   * Installs the nft table. Packets from the own sockets on a port then leave from WireGuard's own port, and STUN
   * packets to that port come to those sockets. The table is kept until {@link close}, even if somebody deletes it, or
   * WireGuard gets another port. Bind each socket to one local address: the route is chosen again after the change of
   * the port.
   * @throws {@link MeshError} `MISSING_PROGRAM`, `NOT_PERMITTED`, and the errors of {@link read}
   */
  async installTable(helperPort: number, signal?: AbortSignal): Promise<void> {
    await this.#turns.take(signal, (either) => this.#table.install(helperPort, this.#state, either));
  }

  /**
   * Makes packets to a peer smaller, because another tunnel is around WireGuard's own tunnel. Additional routes with a
   * smaller MTU do this; {@link close} removes them.
   * @param overhead - the bytes that the other tunnel needs; 0 removes the routes
   * @throws {@link MeshError} the errors of {@link use}
   */
  async narrow(publicKey: string, overhead: number): Promise<void> {
    await this.#turns.take(undefined, async (signal) => {
      await this.#routes.remove(publicKey, signal);
      if (overhead > 0) await this.#routes.add(publicKey, this.#peer(publicKey).allowedIps, overhead, signal);
    });
  }

  /**
   * Gives the interface the members of a network: additional peers, and the own addresses as a member. Former members
   * are removed with their sessions. A peer that others added stays as it is. The members are kept until {@link close}.
   */
  async setMembers(members: Members, signal?: AbortSignal): Promise<DeviceState> {
    return await this.#turns.take(signal, async (either) => {
      this.#members.set(members);
      const [network, state] = await Promise.all([this.#reader.network(either), this.#reader.state(either)]);
      return await this.#maintainMembers(network, state, either);
    });
  }

  /**
   * Gives this host and its peers the link-local addresses of their keys, where they are missing: an address of the
   * interface, and one more allowed IP for each peer. The addresses are kept until {@link close}.
   * @throws {@link MeshError} `COMMAND_FAILED` when IPv6 is off, and the errors of {@link read}; then nothing is kept
   */
  async useLinkLocals(signal?: AbortSignal): Promise<DeviceState> {
    return await this.#turns.take(signal, async (either) => {
      const [link, state] = await Promise.all([this.#reader.link(either), this.#reader.state(either)]);
      this.#state = await this.#linkLocals.begin(link, state, either);
      return this.#state;
    });
  }

  /** Takes exactly these allowed IPs from WireGuard until the next call, and gives back all others that were taken. */
  async withhold(wanted: Wanted): Promise<DeviceState> {
    return await this.#turns.take(undefined, async (signal) => {
      this.#state = await this.#withheld.set(wanted, await this.#reader.state(signal), signal);
      return this.#state;
    });
  }

  /** The subnets behind members that are not used from this host, and the reasons. */
  get unusedRoutes(): readonly UnusedRoute[] {
    return this.#members.unused;
  }

  /**
   * Gives the interface another private key, also for the case that it is made again. The sessions of the old key end.
   */
  async setPrivateKey(privateKey: Uint8Array): Promise<DeviceState> {
    return await this.#turns.take(undefined, async (signal) => {
      await this.#changer.run(setPrivateKey(this.name, privateKey, undefined), signal);
      const before = this.#create;
      if (before !== undefined) {
        const after = withPrivateKey(before, privateKey);
        this.#create = after;
        for (const command of addressCommands(this.name, before, after))
          await this.#changer.run(command, signal);
      }
      const [link, state] = await Promise.all([this.#reader.link(signal), this.#reader.state(signal)]);
      this.#state = await this.#linkLocals.maintain(link, state, signal);
      return this.#state;
    });
  }

  /**
   * Gives an interface that was made here other peers and addresses. Its key and its port stay. The sessions of peers
   * that stay go on.
   * @throws {@link MeshError} `OWN_KEY`, `LOW_ORDER_KEY`, `CONFLICT`; then nothing is changed. The errors of {@link use}
   */
  async recreate(wanted: NewInterface): Promise<DeviceState> {
    return await this.#turns.take(undefined, async (signal) => {
      const before = this.#create;
      if (before === undefined) return this.#state;
      const { privateKey, listenPort } = before;
      const after = { ...withPrivateKey(wanted, privateKey), listenPort };
      const network = await this.#reader.network(signal);
      this.#check(after, network.links);
      const { added = [], withheld = {} } = this.#journal.changes;
      const { commands, changed } = planRecreation(this.name, before, after, {
        isKept: (key) => added.includes(key),
        routed: routedBy(this.name, network),
      });
      // These peers get everything back that was taken from them.
      const left = Object.entries(withheld).filter(([key]) => !changed.includes(key));
      if (left.length < Object.keys(withheld).length)
        await this.#journal.keep({ withheld: Object.fromEntries(left) });
      for (const command of commands) await this.#changer.run(command, signal);
      this.#create = after;
      await this.#configureNetwork(after, await this.#reader.network(signal), signal);
      this.#state = await this.#reader.state(signal);
      await this.#journal.noteFound(this.#state, "keep");
      return this.#state;
    });
  }

  /** The interfaces of the host and their addresses. */
  async links(signal?: AbortSignal): Promise<Link[]> {
    return await this.#reader.links(signal);
  }

  /** The links and routes of the host at the last look. */
  get found(): Network {
    return this.#found;
  }

  /**
   * The route of packets to an address. For an address behind the tunnel the device is {@link name} itself.
   * @param fwmark - the mark of the packets; default: that of WireGuard's own packets
   * @returns undefined when there is no route
   */
  async routeTo(address: string, fwmark: number = this.#state.fwmark): Promise<Way | undefined> {
    return await this.#reader.way(address, fwmark);
  }

  /** What was restored so far, a few words for each change. */
  get undone(): readonly string[] {
    return this.#undone;
  }

  /** Restores everything, and ends. Changes that could not be undone stay recorded for the next start. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#turns.close();
    await this.#monitor?.close();
    await this.#maintaining;
    try {
      await this.#undo();
    } finally {
      await this.#lock?.release();
    }
  }

  /** A step that fails does not prevent the other steps. */
  async #undo(): Promise<void> {
    if (this.#recorder !== undefined) return;
    const done = await Promise.allSettled([this.#undoTable(), this.#undoInterface()]);
    const failed = done.find((step) => step.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await this.#journal.end();
  }

  async #undoTable(): Promise<void> {
    const done = await this.#table.undo();
    if (done !== undefined) this.#undone.push(done);
  }

  async #undoInterface(): Promise<void> {
    const network = await this.#reader.network();
    const link = network.links.find(({ name }) => name === this.name);
    if (link === undefined || !(await isOf(this.#journal.changes, link))) return;
    if (await this.#routes.removeAll()) this.#undone.push("the routes with a smaller MTU are removed");
    if (this.#journal.changes.isCreated) {
      await deleteInterface(this.name, this.#changer);
      this.#undone.push(`the interface ${this.name} is removed`);
    } else {
      await this.#undoBy(this.#withheld.undo(await this.#reader.state()));
      await this.#undoBy(this.#linkLocals.undo(link, await this.#reader.state()));
      // A peer that is made again gets exactly the allowed IPs that the state shows now.
      const state = await this.#reader.state();
      const { peers } = this.#journal.changes;
      await this.#undoBy([...this.#members.undo(link, network, state), ...restorePeers(peers, state)]);
    }
  }

  async #undoBy(commands: readonly Command[]): Promise<void> {
    for (const command of commands) {
      await this.#changer.run(command);
      this.#undone.push(formatCommand(command));
    }
  }

  /** Makes the interface, or completes what an earlier run has begun. */
  async #make(
    wanted: NewInterface,
    left: Changes | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const network = await this.#reader.network(signal);
    const { links } = network;
    const link = links.find((one) => one.name === this.name);
    const isOurs = link !== undefined && left?.isCreated === true && (await isOf(left, link));
    if (link !== undefined && !isOurs)
      throw new MeshError(
        "CONFLICT",
        `${this.name} is there already: adopt it as it is, or choose another name`,
      );
    this.#check(wanted, links);
    if (isOurs) await this.#configure(wanted, { network, withheld: left?.withheld }, signal);
    else await this.#makeAnew(wanted, { hasTable: left?.hasTable ?? false, by: "write" }, signal);
  }

  #check({ privateKey, peers, addresses }: NewInterface, links: readonly Link[]): void {
    checkPeers(
      privateKey,
      peers.map((peer) => ({ ...peer, publicKey: formatKey(peer.publicKey) })),
    );
    const overlay = addresses.map(({ prefix }) => prefix);
    checkOverlay(this.name, overlay, links);
  }

  async #makeAnew(
    wanted: NewInterface,
    { hasTable, by }: { readonly hasTable: boolean; readonly by: "write" | "keep" },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const intended = await incarnationOf(UNMADE);
    await this.#journal[by]({ ...noChanges(intended), isCreated: true, hasTable });
    await createInterface(this.name, this.#changer, signal);
    const made = await this.#reader.findLink(signal);
    const incarnation = made === undefined ? intended : await incarnationOf(made.index);
    await this.#journal[by]({ incarnation });
    await this.#configure(wanted, {}, signal);
  }

  /** @param left - the network and the withheld allowed IPs that an earlier run has left */
  async #configure(
    wanted: NewInterface,
    { network, withheld }: { readonly network?: Network; readonly withheld?: WithheldRecords | undefined },
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const command of configureCommands(this.name, wanted, withheld))
      await this.#changer.run(command, signal);
    await this.#configureNetwork(wanted, network, signal);
  }

  /**
   * @param network - the current network; undefined when there is nothing yet. @returns whether something was missing
   */
  async #configureNetwork(
    wanted: NewInterface,
    network: Network = { links: [], routes: [] },
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const link = network.links.find(({ name }) => name === this.name);
    const commands = networkCommands(this.name, wanted, link, routedBy(this.name, network));
    for (const command of commands) await this.#changer.run(command, signal);
    return commands.length > 0;
  }

  /** Continues with the changes of an earlier run, if the interface is the same. */
  async #adopt(left: Changes | undefined, link: Link): Promise<void> {
    const incarnation = await incarnationOf(link.index);
    // Otherwise the interface was made just now.
    if (this.#journal.changes.incarnation !== incarnation) {
      const isSame = left !== undefined && (await isOf(left, link));
      this.#journal.begin({ ...(isSame ? left : noChanges(incarnation)), incarnation });
    }
    if (left === undefined) return;
    // The rules of an old table lead to a port where nobody listens.
    if (left.hasTable) await this.#table.remove();
    await this.#routes.removeAll();
    await this.#journal.write({ hasTable: false, hasRoutes: false });
  }

  #peer(publicKey: string): DevicePeer {
    const peer = this.#state.peers.find((one) => one.publicKey === publicKey);
    if (peer === undefined) throw new MeshError("NO_PEER", `${this.name} has no peer ${publicKey}`);
    return peer;
  }

  #wake(): void {
    this.#isWoken = true;
    this.#maintaining ??= this.#maintainWhileWoken().then(() => {
      this.#maintaining = undefined;
    });
  }

  async #maintainWhileWoken(): Promise<void> {
    while (this.#isWoken && !this.#turns.isClosed) {
      this.#isWoken = false;
      let network: Network | undefined;
      let trouble: string | undefined;
      try {
        network = await this.#maintain();
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error);
        network = await this.#reader.network().catch(() => undefined);
      }
      if (this.#turns.isClosed) return;
      // Only once, and not every 30 s.
      if (trouble !== undefined && trouble !== this.#trouble) this.emit("warning", trouble);
      this.#trouble = trouble;
      this.#found = network ?? this.#found;
      this.emit("wake", network);
    }
  }

  async #maintainMembers(network: Network, before: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    const link = this.#reader.own(network.links);
    this.#state = await this.#members.maintain(link, network, before, signal);
    this.#state = await this.#linkLocals.maintain(link, this.#state, signal);
    // A relayed peer that now carries other subnets needs other routes with a smaller MTU.
    if (this.#state !== before) await this.#routes.refresh(this.#state.peers, signal);
    return this.#state;
  }

  /** Restores own changes that disappeared. @returns the network after that */
  async #maintain(): Promise<Network> {
    return await this.#turns.take(undefined, async (signal) => {
      const create = this.#create;
      const isMade = create !== undefined && this.#journal.changes.isCreated;
      let network = await this.#reader.networkWithRules(signal);
      const { rules } = network;
      if (isMade && !network.links.some(({ name }) => name === this.name)) {
        this.emit("warning", `${this.name} was gone, and is made anew`);
        const { hasTable } = this.#journal.changes;
        await this.#makeAnew(create, { hasTable, by: "keep" }, signal);
        network = await this.#reader.network(signal);
      }
      const link = this.#reader.own(network.links);
      const incarnation = await incarnationOf(link.index);
      // Somebody has made the interface again, so none of our changes is left on it.
      if (incarnation !== this.#journal.changes.incarnation)
        await this.#journal.keep({ ...noChanges(incarnation), hasTable: this.#journal.changes.hasTable });
      this.#state = await this.#reader.state(signal);
      await this.#journal.noteFound(this.#state, "keep");
      const isOurs = create !== undefined && this.#journal.changes.isCreated;
      if (isOurs && (await this.#configureNetwork(create, network, signal)))
        network = await this.#reader.network(signal);
      await this.#maintainMembers(network, this.#state, signal);
      await this.#table.maintain(this.#state, signal);
      return { ...network, rules };
    });
  }
}

/** The destinations of the routes by an interface. */
function routedBy(name: string, { routes }: Network): Prefix[] {
  return routes.filter(({ devices }) => devices.includes(name)).map(({ destination }) => destination);
}
