import { EventEmitter } from "node:events";
import { MeshError } from "../errors.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { formatKey } from "../wireguard-key.js";
import { type Changes, noChanges, noteFound } from "./changes.js";
import { checkConfigured, checkInterfaceName, checkOverlay, checkPeers, networksOf } from "./checks.js";
import { formatCommand, Recorder, type Runner } from "./command.js";
import {
  configureCommands,
  createInterface,
  deleteInterface,
  type NewInterface,
  networkCommands,
  plannedState,
} from "./create.js";
import { incarnationOf, isOf, UNMADE } from "./incarnation.js";
import { Ledger } from "./ledger.js";
import { Lock } from "./lock.js";
import { Monitor } from "./monitor.js";
import type { Link, Route, Way } from "./network.js";
import { makeTable, type NftTable, removeTable, showTable, tableNameOf } from "./nft-table.js";
import type { DeviceEvents, DeviceOptions, UseOptions } from "./options.js";
import { keepaliveFor, renewPeer, useEndpoint } from "./plan.js";
import { Programs } from "./programs.js";
import { Reader } from "./reader.js";
import type { DevicePeer, DeviceState } from "./state.js";
import { Turns } from "./turns.js";
import { restorePeers } from "./undo.js";

/**
 * A WireGuard interface, of the kernel or of wireguard-go: what it is, and the only one who changes it. What is changed
 * is written down first. {@link close} undoes it, also what an earlier run was killed with; what others changed
 * meanwhile stays theirs.
 */
export class Device extends EventEmitter<DeviceEvents> implements AsyncDisposable {
  readonly name: string;
  readonly #programs: Programs;
  readonly #reader: Reader;
  readonly #recorder: Recorder | undefined;
  readonly #changer: Runner;
  readonly #ledger: Ledger;
  readonly #create: NewInterface | undefined;
  /** So that nobody reads what another is about to change. */
  readonly #turns: Turns;
  #lock: Lock | undefined;
  #monitor: Monitor | undefined;
  #state: DeviceState;
  #changes: Changes = noChanges("");
  /** What the nft table is to be, and what nft said of it when it was made. */
  #table: { readonly wanted: NftTable; readonly shown: Promise<string | undefined> } | undefined;
  #maintaining: Promise<void> | undefined;
  #isWoken = false;
  /** What could not be restored the last time. */
  #trouble: string | undefined;
  #closed: Promise<void> | undefined;
  readonly #undone: string[] = [];

  private constructor(name: string, options: DeviceOptions) {
    super();
    this.name = name;
    this.#turns = new Turns(name);
    this.#programs = options.programs ?? new Programs();
    this.#reader = new Reader(name, this.#programs);
    this.#recorder = options.isDryRun ? new Recorder() : undefined;
    this.#changer = this.#recorder ?? this.#programs;
    this.#ledger = new Ledger(options.stateFolder, name);
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
      // Nothing half-done. What was changed by an earlier run, and not by this one, waits for the next.
      if (device.#changes.isCreated) await device.#undo().catch(() => undefined);
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
    const [link, links, state] = await Promise.all([
      this.#reader.link(signal),
      this.#reader.links(signal),
      this.#reader.state(signal),
    ]);
    if (!link.isUp)
      throw new MeshError("NOT_CONFIGURED", `${this.name} is down: \`ip link set dev ${this.name} up\``);
    this.#state = checkConfigured(state);
    // Other tunnels are no LAN.
    const lans = links.filter(({ kind }) => kind !== "wireguard" && kind !== "tun");
    checkOverlay(this.name, networksOf(link), lans);
    await this.#adopt(left, link);
    await this.#noteFound();
    if (this.#recorder === undefined) this.#monitor = new Monitor(this.#programs, () => this.#wake());
  }

  /** What is known since the last {@link read}. */
  get state(): DeviceState {
    return this.#state;
  }

  /** The lines of what would have been changed, in a dry run. */
  get planned(): readonly string[] {
    return this.#recorder?.commands.map(formatCommand) ?? [];
  }

  /**
   * Looks at the interface.
   * @throws {@link MeshError} `NO_INTERFACE` when it is gone, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED`,
   * `CLOSED`
   */
  async read(signal?: AbortSignal): Promise<DeviceState> {
    return await this.#turns.take(signal, async (either) => {
      this.#state = await this.#reader.state(either);
      await this.#noteFound();
      return this.#state;
    });
  }

  /**
   * Makes WireGuard use an endpoint for a peer, and send something there at once.
   * @param publicKey - base64
   * @throws {@link MeshError} `NO_PEER` when the interface has no such peer (any more), and as {@link read}
   */
  async use(publicKey: string, endpoint: Endpoint, { isFresh, signal }: UseOptions): Promise<void> {
    await this.#turns.take(signal, async (either) => {
      this.#state = await this.#reader.state(either);
      // A disk may take long: what is changed has to be what is there now.
      if (await this.#noteFound()) this.#state = await this.#reader.state(either);
      // `wg set` makes a peer that is not there, with the allowed IPs that it is told: one that the user has removed or
      // changed meanwhile must not come back as it was.
      const peer = this.#peer(publicKey);
      const use = { endpoint: formatEndpoint(endpoint), keepaliveS: keepaliveFor(peer) };
      const command = isFresh ? renewPeer(this.name, peer, use) : useEndpoint(this.name, publicKey, use);
      await this.#changer.run(command, either);
    });
  }

  /**
   * Makes what our sockets on a port send leave from WireGuard's own port, and STUN that comes to that port come to
   * them. It is kept so until {@link close}: also when somebody deletes it, and when WireGuard gets another port.
   * Bind each socket to one local address: the route is chosen anew after that.
   * @throws {@link MeshError} `MISSING_PROGRAM`, `NOT_PERMITTED`, and as {@link read}
   */
  async installTable(helperPort: number, signal?: AbortSignal): Promise<void> {
    await this.#turns.take(signal, (either) => this.#installTable(helperPort, either));
  }

  /** The interfaces of the host and their addresses. */
  async links(signal?: AbortSignal): Promise<Link[]> {
    return await this.#reader.links(signal);
  }

  /** The routes of the host, of all tables. */
  async routes(signal?: AbortSignal): Promise<Route[]> {
    return await this.#reader.routes(signal);
  }

  /**
   * Which way WireGuard's packets would take to an address: by {@link name} itself when the address is behind the
   * tunnel.
   * @returns undefined when none leads there
   */
  async routeTo(address: string, signal?: AbortSignal): Promise<Way | undefined> {
    return await this.#reader.way(address, this.#state.fwmark, signal);
  }

  /** What was put back so far, a few words each. */
  get undone(): readonly string[] {
    return this.#undone;
  }

  /** Puts everything back, and ends. What could not be put back stays written down for the next start. */
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

  /** What cannot be done does not keep the rest from being done. */
  async #undo(): Promise<void> {
    if (this.#recorder !== undefined) return;
    const done = await Promise.allSettled([this.#undoTable(), this.#undoInterface()]);
    const failed = done.find((step) => step.status === "rejected");
    if (failed !== undefined) throw failed.reason;
    await this.#ledger.remove();
  }

  async #undoTable(): Promise<void> {
    if (!this.#changes.hasTable) return;
    await this.#table?.shown;
    await this.#removeTable();
    this.#undone.push(`the table ${tableNameOf(this.name)} of nft is removed`);
  }

  async #undoInterface(): Promise<void> {
    const link = await this.#reader.findLink();
    if (link === undefined || !(await isOf(this.#changes, link))) return;
    if (this.#changes.isCreated) {
      await deleteInterface(this.name, this.#changer);
      this.#undone.push(`the interface ${this.name} is removed`);
    } else if (Object.keys(this.#changes.peers).length > 0) {
      const state = await this.#reader.state();
      for (const command of restorePeers(this.#changes.peers, state)) {
        await this.#changer.run(command);
        this.#undone.push(formatCommand(command));
      }
    }
  }

  async #removeTable(): Promise<void> {
    await this.#changer.run(removeTable(this.name)).catch((error: unknown) => {
      // Without nft there is no table.
      if (!(error instanceof MeshError) || error.code !== "MISSING_PROGRAM") throw error;
    });
  }

  /** Makes the interface, or what an earlier run had no time for. */
  async #make(
    wanted: NewInterface,
    left: Changes | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const links = await this.links(signal);
    const link = links.find((one) => one.name === this.name);
    const isOurs = link !== undefined && left?.isCreated === true && (await isOf(left, link));
    if (link !== undefined && !isOurs)
      throw new MeshError(
        "CONFLICT",
        `${this.name} is there already: adopt it as it is, or choose another name`,
      );
    const peers = wanted.peers.map((peer) => ({ ...peer, publicKey: formatKey(peer.publicKey) }));
    checkPeers(wanted.privateKey, peers);
    const overlay = wanted.addresses.map(({ prefix }) => prefix);
    checkOverlay(this.name, overlay, links);
    if (isOurs) await this.#configure(wanted, link, signal);
    else await this.#makeAnew(wanted, left?.hasTable ?? false, signal);
  }

  async #makeAnew(wanted: NewInterface, hasTable: boolean, signal: AbortSignal | undefined): Promise<void> {
    const intended = await incarnationOf(UNMADE);
    await this.#write({ ...noChanges(intended), isCreated: true, hasTable });
    await createInterface(this.name, this.#changer, signal);
    const made = await this.#reader.findLink(signal);
    const incarnation = made === undefined ? intended : await incarnationOf(made.index);
    await this.#write({ ...this.#changes, incarnation });
    await this.#configure(wanted, undefined, signal);
  }

  async #configure(
    wanted: NewInterface,
    link: Link | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    for (const command of configureCommands(this.name, wanted)) await this.#changer.run(command, signal);
    await this.#configureNetwork(wanted, link, signal);
  }

  async #configureNetwork(
    wanted: NewInterface,
    link: Link | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const routes = link === undefined ? [] : await this.routes(signal);
    const routed = routes.filter(({ devices }) => devices.includes(this.name)).map((one) => one.destination);
    for (const command of networkCommands(this.name, wanted, link, routed))
      await this.#changer.run(command, signal);
  }

  /** Goes on with what an earlier run left, where it is still so. */
  async #adopt(left: Changes | undefined, link: Link): Promise<void> {
    const incarnation = await incarnationOf(link.index);
    // Else it was made just now.
    if (this.#changes.incarnation !== incarnation) {
      const isSame = left !== undefined && (await isOf(left, link));
      this.#changes = { ...(isSame ? left : noChanges(incarnation)), incarnation };
    }
    if (left === undefined) return;
    // Its rules lead to a port that nobody listens on.
    if (left.hasTable) await this.#removeTable();
    await this.#write({ ...this.#changes, hasTable: false });
  }

  async #installTable(helperPort: number, signal: AbortSignal | undefined): Promise<void> {
    const { listenPort, fwmark } = this.#state;
    const wanted = { name: this.name, listenPort, fwmark, helperPort };
    await this.#write({ ...this.#changes, hasTable: true });
    try {
      await this.#changer.run(makeTable(wanted), signal);
    } catch (error) {
      // It is made as a whole or not at all; one of before is still there when this was to replace it.
      if (this.#table === undefined) await this.#write({ ...this.#changes, hasTable: false });
      throw error;
    }
    // What a dry run shows is what changes something, and there is no table to read.
    if (this.#recorder !== undefined) return;
    // Nobody has to wait for it before the next look.
    this.#table = { wanted, shown: this.#showTable().catch(() => undefined) };
  }

  /** What nft says of the table; undefined when there is none. */
  async #showTable(signal?: AbortSignal): Promise<string | undefined> {
    return await this.#programs.run(showTable(this.name), signal).catch(ifFailed);
  }

  #peer(publicKey: string): DevicePeer {
    const peer = this.#state.peers.find((one) => one.publicKey === publicKey);
    if (peer === undefined) throw new MeshError("NO_PEER", `${this.name} has no peer ${publicKey}`);
    return peer;
  }

  /** Remembers peers as they are seen first, before anything of them is changed. @returns whether it was written down */
  async #noteFound(): Promise<boolean> {
    const { peers, isChanged } = noteFound(this.#changes.peers, this.#state);
    if (isChanged) await this.#write({ ...this.#changes, peers });
    return isChanged;
  }

  async #write(changes: Changes): Promise<void> {
    if (this.#recorder === undefined) await this.#ledger.save(changes);
    this.#changes = changes;
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
      const trouble = await this.#maintain().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (this.#turns.isClosed) return;
      // Once, not every 30 s.
      if (trouble !== undefined && trouble !== this.#trouble) this.emit("warning", trouble);
      this.#trouble = trouble;
      this.emit("wake");
    }
  }

  /** Restores what is ours and has gone. */
  async #maintain(): Promise<void> {
    await this.#turns.take(undefined, async (signal) => {
      const isMade = this.#create !== undefined && this.#changes.isCreated;
      if (isMade && (await this.#reader.findLink(signal)) === undefined) {
        this.emit("warning", `${this.name} was gone, and is made anew`);
        await this.#makeAnew(this.#create, this.#changes.hasTable, signal);
      }
      const link = await this.#reader.link(signal);
      const incarnation = await incarnationOf(link.index);
      // Made anew under our feet: nothing of ours is left on it.
      if (incarnation !== this.#changes.incarnation)
        await this.#write({ ...noChanges(incarnation), hasTable: this.#changes.hasTable });
      this.#state = await this.#reader.state(signal);
      await this.#noteFound();
      if (this.#create !== undefined && this.#changes.isCreated)
        await this.#configureNetwork(this.#create, link, signal);
      await this.#maintainTable(signal);
    });
  }

  async #maintainTable(signal: AbortSignal): Promise<void> {
    if (this.#table === undefined) return;
    const { wanted, shown } = this.#table;
    const { listenPort, fwmark } = this.#state;
    const isMoved = listenPort !== wanted.listenPort || fwmark !== wanted.fwmark;
    const now = isMoved ? undefined : await this.#showTable(signal);
    if (now === undefined || now !== (await shown)) await this.#installTable(wanted.helperPort, signal);
  }
}

/** A program that said no: what it was asked for is not there. */
function ifFailed(error: unknown): undefined {
  if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") throw error;
}
