import { EventEmitter } from "node:events";
import { DEFAULT_STUN } from "./candidates/default-stun.js";
import type { ReportedInterfaces } from "./candidates/interfaces.js";
import { OwnAddresses } from "./candidates/own-addresses.js";
import { StunClient } from "./candidates/stun-client.js";
import { Channels } from "./channels.js";
import { ConfiguredPeers } from "./configured-peers.js";
import { checkOverlay, lansIn } from "./device/checks.js";
import type { InterfaceAddress, NewPeer } from "./device/create.js";
import type { Device } from "./device/device.js";
import type { Members } from "./device/members.js";
import type { Link, Network } from "./device/network.js";
import type { DeviceState } from "./device/state.js";
import { MeshError } from "./errors.js";
import type { TrustLevel } from "./facts/trust.js";
import { Gossip } from "./gossip.js";
import { Ground } from "./ground.js";
import { Hearing } from "./hearing.js";
import type { CandidateInfo, MeshInfo, PeerInfo, PingAnswer } from "./info.js";
import { type Endpoint, formatEndpoint, parseEndpoint } from "./ip/endpoint.js";
import { parsePrefix } from "./ip/prefix.js";
import { LanDiscovery } from "./lan/lan-discovery.js";
import { Meeting } from "./meeting.js";
import { KeyFile } from "./membership/key-file.js";
import { Membership } from "./membership/membership.js";
import type { MembershipReply, MembershipRequest } from "./membership/requests.js";
import { RosterFile } from "./membership/roster-file.js";
import { isRotateMessage } from "./membership/rotate-message.js";
import type { Way } from "./membership/sync.js";
import { isSyncMessage } from "./membership/sync-message.js";
import {
  type ChangeableOptions,
  DEFAULT_STATE_FOLDER,
  type MeshEvents,
  type MeshOptions,
  type MeshTimes,
} from "./mesh-options.js";
import { Names } from "./names/names.js";
import type { Peer } from "./peer.js";
import { PeerSet } from "./peer-set.js";
import { Pings } from "./ping.js";
import { PortMapping } from "./port-mapping/port-mapping.js";
import type { ProbeSockets } from "./probe/probe-sockets.js";
import { Prober } from "./probe/prober.js";
import { isRelayMessage } from "./relay/message.js";
import { Relaying } from "./relay/relaying.js";
import { isRestMessage } from "./rest-message.js";
import { Announcer } from "./signal/announcer.js";
import { Signaling } from "./signal/signaling.js";
import { SleepWatch } from "./sleep-watch.js";
import { StateFile } from "./state-file.js";
import { Telling } from "./telling.js";
import { BY_TURN, TurnClient } from "./turn/turn-client.js";
import { parseTurnServers, type TurnServer } from "./turn/turn-server.js";
import { formatKey } from "./wireguard-key.js";
import { paceOf, WireGuardLooks } from "./wireguard-looks.js";

/** The parts of a mesh. */
interface Parts {
  readonly device: Device;
  readonly state: StateFile;
  readonly sockets: ProbeSockets;
  readonly signaling: Signaling;
  readonly stun: readonly string[];
  readonly turn: readonly TurnServer[];
  readonly getTime: () => number;
  readonly portMapping: PortMapping | undefined;
  readonly rosterFile: RosterFile;
  readonly keyFile: KeyFile;
  readonly brokers: MeshOptions["brokers"];
  readonly isRosterFresh: boolean;
  readonly found: readonly string[];
  readonly hasLan: boolean;
  /** Whether this mesh has made the interface. */
  readonly isMade: boolean;
  readonly isRelay: boolean;
  readonly isLazy: boolean;
  readonly isRouter: boolean;
  readonly isChatty: boolean;
  readonly hasNames: boolean;
  readonly hasDns: boolean;
  readonly trust: ReadonlyMap<string, TrustLevel>;
  readonly peers: readonly NewPeer[];
  readonly addresses: readonly InterfaceAddress[];
  readonly isStunOnDemand: boolean;
  readonly reported: ReportedInterfaces | undefined;
  readonly times: MeshTimes | undefined;
}

/**
 * Manages one WireGuard interface. Each peer is met over the brokers by its key alone, and then reached over the best
 * path that works. The interface is changed only where necessary, and {@link close} restores it.
 *
 * @example
 * ```ts
 * await using mesh = await Mesh.open({ interface: "wg0" });
 * mesh.on("peer", (peer) => console.log(peer.publicKey, peer.state, peer.path?.kind));
 * ```
 */
export class Mesh extends EventEmitter<MeshEvents> implements AsyncDisposable {
  readonly #device: Device;
  readonly #state: StateFile;
  readonly #sockets: ProbeSockets;
  readonly #prober: Prober;
  readonly #stun: StunClient;
  readonly #addresses: OwnAddresses;
  readonly #announcer: Announcer;
  readonly #signaling: Signaling;
  readonly #sleepWatch: SleepWatch;
  readonly #getTime: () => number;
  readonly #since: number;
  readonly #found: readonly string[];
  readonly #peers = new Map<string, Peer>();
  readonly #pings = new Pings();
  /** An interface that this mesh has made is made again when it disappears. */
  readonly #isMade: boolean;
  readonly #telling: Telling;
  readonly #meeting = new Meeting(Math.random);
  readonly #hearing: Hearing;
  readonly #looks: WireGuardLooks;
  readonly #relaying: Relaying;
  readonly #turn: TurnClient;
  /** The own addresses in the tunnel. */
  #overlay: readonly string[] = [];
  readonly #portMapping: PortMapping | undefined;
  readonly #membership: Membership;
  readonly #names: Names;
  readonly #channels: Channels;
  /** The peers in the configuration. */
  #configured: ConfiguredPeers;
  /** The members of the network, besides the peers in the configuration. */
  #members: Members = { addresses: [], peers: [] };
  /** What peers are believed about others, by the configuration. */
  readonly #trust: Map<string, TrustLevel>;
  readonly #peerSet: PeerSet;
  readonly #lan: LanDiscovery | undefined;
  readonly #gossip: Gossip;
  #closing: Promise<void> | undefined;

  /**
   * Begins to manage an interface that exists and is up. Resolves before any peer is met.
   * @throws {@link MeshError} `INVALID_OPTION`, `NO_INTERFACE`, `NOT_CONFIGURED`, `OWN_KEY`, `LOW_ORDER_KEY`,
   * `CONFLICT`, `IN_USE`, `FILE`, `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED`
   */
  static async open(options: MeshOptions): Promise<Mesh> {
    return await Mesh.begin(await Ground.open(options), options);
  }

  /**
   * @internal Begins on a ground that was opened with the same options. The mesh closes it, also after an error.
   */
  static async begin(ground: Ground, options: MeshOptions): Promise<Mesh> {
    const {
      stateFolder = DEFAULT_STATE_FOLDER,
      getTime = Date.now,
      stun = DEFAULT_STUN,
      relay: isRelay = false,
      create,
      brokers,
      isRosterFresh = false,
    } = options;
    const { device, sockets } = ground;
    let mesh: Mesh | undefined;
    /** Problems with files that were found before a listener could be added. */
    const found: string[] = [];
    const onWarning = (message: string): void => {
      if (mesh === undefined) found.push(message);
      else mesh.emit("warning", message);
    };
    let signaling: Signaling | undefined;
    try {
      // The connections to brokers take the longest, so they begin first.
      signaling = new Signaling({ brokers, getTime, onReachable: () => mesh?.hunt() });
      const mapped = {
        stateFolder,
        name: options.interface,
        getTime,
        externalPort: options.externalPort,
        onChanged: () => mesh?.mapped(),
        onWarning,
      };
      const [rosterFile, state, portMapping] = await Promise.all([
        RosterFile.open(stateFolder, options.interface),
        StateFile.open(stateFolder, options.interface, getTime(), onWarning),
        options.portMapping === false ? undefined : PortMapping.open(mapped),
      ]);
      const made = new Mesh({
        device,
        state,
        sockets,
        signaling,
        stun,
        turn: parseTurnServers(options.turn ?? []),
        getTime,
        portMapping,
        hasLan: options.lanDiscovery !== false,
        isMade: create !== undefined,
        isRelay,
        isLazy: options.lazy === true,
        isRouter: options.router === true,
        isChatty: options.chatty === true || options.router === true,
        hasNames: options.hosts !== false,
        hasDns: options.dns === true,
        trust: options.trust ?? new Map(),
        peers: options.peers ?? [],
        addresses: options.addresses ?? [],
        isStunOnDemand: options.stunOnDemand === true,
        reported: options.reported,
        times: options.times,
        rosterFile,
        keyFile: new KeyFile(stateFolder, options.interface),
        brokers,
        isRosterFresh,
        found,
      });
      mesh = made;
      ground.listen((...packet) => made.#receive(...packet));
      await made.#start(device.found);
      return made;
    } catch (error) {
      await mesh?.close();
      await signaling?.close();
      await ground[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    super();
    const { device, state, sockets, signaling, stun, getTime, isMade, isRelay } = parts;
    this.#portMapping = parts.portMapping;
    this.#lan = parts.hasLan
      ? new LanDiscovery({
          announceFor: (name) =>
            this.#announcer.write(name, this.#addresses.nat, this.#addresses.candidates()),
          onAnnounce: (name, bytes, from) => this.#hearing.hear(name, bytes, from),
          isReached: (name) =>
            this.#peers.get(name)?.machine.snapshot(performance.now()).path?.isProven === true,
          isAsleep: (name) => this.#peers.get(name)?.isAsleep === true,
          getTime,
        })
      : undefined;
    this.#isMade = isMade;
    this.#device = device;
    this.#state = state;
    this.#sockets = sockets;
    this.#getTime = getTime;
    this.#since = getTime();
    this.#found = parts.found;
    this.#stun = new StunClient(stun, sockets);
    this.#configured = new ConfiguredPeers(parts.peers, parts.addresses);
    this.#trust = new Map(parts.trust);
    this.#addresses = new OwnAddresses(
      ...([device.name, this.#stun, () => this.#peerSet.hasPaths, parts.reported] as const),
      () => !parts.isStunOnDemand || this.#peerSet.isAnySought,
    );
    this.#announcer = new Announcer(state, { isRelay });
    this.#signaling = signaling;
    this.#sleepWatch = new SleepWatch(getTime, () => {
      sockets.dropWaiting();
      this.#moved();
    });
    this.#prober = new Prober({
      ownPublicKey: () => this.#publicKey,
      boot: () => state.boot,
      sender: {
        send: (bytes, remote, local) =>
          this.#relaying.server.send(bytes, remote, local) ??
          this.#turn.send(bytes, remote, local) ??
          sockets.send(bytes, remote, local),
      },
      events: {
        viewOf: (name, endpoint) => this.#peerSet.viewOf(name, endpoint),
        onAnswered: (answered) => {
          if (this.#peerSet.answered(answered)) this.#pings.answered(answered);
        },
        onProbed: ({ peer, endpoint, view, local }) => {
          if (local === BY_TURN) this.#turn.bind(peer, endpoint);
          else this.#peerSet.probed(peer, endpoint, view);
        },
        onTold: (name, bytes, endpoint, local) => {
          if (isRelayMessage(bytes)) this.#relaying.hear(name, bytes, endpoint, local);
          else if (isRestMessage(bytes)) this.#peerSet.hearRest(name, bytes);
          else this.#hear(name, bytes, "path");
        },
      },
    });
    this.#relaying = new Relaying({
      isOn: isRelay,
      mayRelay: (publicKey) => this.#membership.mayRelay(publicKey),
      peers: this.#peers,
      own: () => formatKey(this.#publicKey),
      overlay: () => this.#overlay,
      isBehindTunnel: (endpoint) => this.#addresses.isBehindTunnel(endpoint),
      receive: (bytes, remote, local) => this.#prober.receive(bytes, remote, local),
      tell: async (name, path, bytes) => {
        const endpoint = parseEndpoint(path);
        return endpoint !== undefined && (await this.#prober.tell(name, endpoint, bytes));
      },
      getTime,
    });
    this.#turn = new TurnClient({
      servers: parts.turn,
      peers: this.#peers,
      wireguardPort: () => device.state.listenPort,
      receive: (bytes, remote, local) => this.#prober.receive(bytes, remote, local),
      isBehindTunnel: async ({ address }) => (await device.routeTo(address, 0))?.device === device.name,
      onCandidate: (name) => this.#telling.changedFor(name),
    });
    this.#looks = new WireGuardLooks({
      device,
      pace: () => paceOf([...this.#peers.values()].map(({ wants }) => wants)),
      onState: (state) => this.#peerSet.takeState(state),
      onError: (error) => this.#warn(error),
    });
    this.#hearing = new Hearing({
      name: device.name,
      announcer: this.#announcer,
      addresses: this.#addresses,
      state,
      peers: this.#peers,
      getTime,
      onHeard: (publicKey) => {
        this.#meeting.heard(publicKey);
        this.emit("step", { step: "heard", publicKey });
      },
      onCandidates: (publicKey) => this.#turn.heard(publicKey),
      onRelay: (publicKey, isOne) => this.#relaying.client.offers(publicKey, isOne),
      onOlder: (publicKey) => void this.#telling.tellOverBrokers(publicKey),
      onWarning: (message) => this.emit("warning", message),
      onError: (error) => this.#warn(error),
    });
    this.#telling = new Telling({
      addresses: this.#addresses,
      relayedFor: (name) => this.#turn.candidatesFor(name),
      announcer: this.#announcer,
      prober: this.#prober,
      peers: this.#peers,
      meeting: this.#meeting,
      onChanged: () => {
        this.emit("candidates", this.candidates());
        this.#gossip.changed();
      },
      onLeaving: (publicKey, by) => this.emit("step", { step: "announced", publicKey, by }),
    });
    this.#channels = new Channels({
      privateKey: () => device.state.privateKey,
      open: (pair, onHeard) => signaling.channel(pair, onHeard),
      onHeard: (name, bytes) => this.#hear(name, bytes, "brokers"),
      onError: (error) => this.#warn(error),
    });
    this.#peerSet = new PeerSet({
      peers: this.#peers,
      device,
      state,
      addresses: this.#addresses,
      channels: this.#channels,
      prober: this.#prober,
      lan: this.#lan,
      relaying: this.#relaying,
      turn: this.#turn,
      telling: this.#telling,
      meeting: this.#meeting,
      isAdmin: (publicKey) => this.#membership.isAdmin(publicKey),
      looks: this.#looks,
      getTime,
      isLazy: parts.isLazy,
      isRouter: parts.isRouter,
      times: parts.times,
      placeOf: (name) => this.#configured.endpointOf(name),
      onChanged: (peer) => {
        this.#addresses.needed();
        this.emit("peer", this.#named(peer));
      },
      onMet: (publicKey) => {
        this.#membership.met(publicKey);
        this.#gossip.met(publicKey);
      },
      onRemoved: (publicKey) => this.#gossip.forget(publicKey),
      onStep: (step) => this.emit("step", step),
      onError: (error) => this.#warn(error),
    });
    this.#names = new Names({
      interface: device.name,
      isOn: parts.hasNames,
      isServed: parts.hasDns,
      onWarning: (message) => this.emit("warning", message),
    });
    this.#gossip = new Gossip({
      interface: device.name,
      peers: this.#peers,
      publicKey: () => this.#publicKey,
      boot: () => state.boot,
      addresses: this.#addresses,
      trust: this.#trust,
      isChatty: parts.isChatty,
      isMember: (name) => this.#membership.isMember(name),
      isAdmin: (name) => this.#membership.isAdmin(name),
      mayMeet: (one, other) => this.#membership.mayMeet(one, other),
      rosterHash: () => this.#membership.rosterHash,
      onRosterHash: (name, hash) => this.#membership.hearHash(name, hash),
      useLinkLocals: () => device.useLinkLocals(),
      onState: (shown) => this.#peerSet.takeState(shown),
      onPassed: (name, direction, bytes) => this.#peerSet.passed(name, direction, bytes),
      onWarning: (message) => this.emit("warning", message),
    });
    this.#membership = new Membership({
      interface: device.name,
      file: parts.rosterFile,
      keyFile: parts.keyFile,
      isFresh: parts.isRosterFresh,
      brokers: parts.brokers,
      getTime,
      keys: () => {
        const { privateKey, publicKey } = device.state;
        return privateKey === undefined || publicKey === undefined ? undefined : { privateKey, publicKey };
      },
      openAddress: signaling.openAddress,
      tellOnPath: (name, bytes) => {
        const endpoint = this.#peerSet.endpointOf(name);
        return endpoint && this.#prober.tell(name, endpoint, bytes);
      },
      tellOverBrokers: async (name, bytes) => (await this.#channels.to(name)?.post(bytes)) ?? false,
      openNext: (privateKey, onHeard) => {
        const next = new Channels({
          privateKey: () => privateKey,
          open: (pair, onBytes) => signaling.channel(pair, onBytes),
          onHeard,
          onError: (error) => this.#warn(error),
        });
        return {
          post: (name, bytes) => void next.to(name)?.post(bytes),
          close: () => next.endAll(),
        };
      },
      setKey: async (privateKey) => this.#peerSet.takeState(await device.setPrivateKey(privateKey)),
      listen: (publicKeys, isMember) =>
        this.#channels.listen(publicKeys, (name) => isMember(name) || this.#peers.has(name)),
      unusedRoutes: () => device.unusedRoutes,
      apply: async (members) => {
        this.#members = members;
        await this.#setMembers();
        this.#relaying.changed();
      },
      name: (network) => this.#names.set(network),
      addresses: async () =>
        (await device.links()).filter(({ name }) => name === device.name).flatMap(addressesOf),
      onWarning: (message) => this.emit("warning", message),
      onError: (error) => this.#warn(error),
    });
  }

  /** Everything that is known now. */
  info(): MeshInfo {
    return {
      interface: this.#device.name,
      publicKey: formatKey(this.#publicKey),
      listenPort: this.#device.state.listenPort,
      since: this.#since,
      nat: this.#addresses.nat,
      candidates: this.candidates(),
      portMappings: this.#portMapping?.info() ?? [],
      peers: this.peers(),
      troubles: [
        this.#found,
        this.#membership.troubles,
        this.#names.troubles,
        this.#gossip.trouble ?? [],
        this.#relaying.server.trouble ?? [],
      ].flat(),
      brokers: this.#signaling.brokers(),
      turn: this.#turn.info(),
      relaying: this.#relaying.server.sessions(),
      facts: this.#gossip.held,
    };
  }

  /** The peers of the interface. */
  peers(): readonly PeerInfo[] {
    const now = this.#getTime();
    return [...this.#peers.values()].map((peer) => this.#named(peer.info(now)));
  }

  /** The places where this host may be reached, as its peers are told. */
  candidates(): readonly CandidateInfo[] {
    const own = this.#addresses.candidates();
    return own.map(({ kind, endpoint, ageS }) => ({ kind, endpoint: formatEndpoint(endpoint), ageS }));
  }

  /**
   * Sends a probe to a peer once on every known path, not only on the one in use. Resolves when all have answered, or
   * after 1 s.
   * @param publicKey - the peer's key, in base64
   * @returns the result of each path, the path in use first
   * @throws {@link MeshError} `NO_PEER`, `ABORTED`, `CLOSED`
   */
  async ping(publicKey: string, { signal }: { signal?: AbortSignal } = {}): Promise<readonly PingAnswer[]> {
    const peer = this.#peers.get(publicKey);
    if (this.#closing !== undefined) throw closed(this.#device.name);
    if (peer === undefined) throw new MeshError("NO_PEER", `${this.#device.name} has no peer ${publicKey}`);
    peer.wake();
    const snapshot = peer.machine.snapshot(performance.now());
    return await this.#pings.ask(publicKey, snapshot, (path) => this.#peerSet.probe(publicKey, path), signal);
  }

  /**
   * Asks about the network of the interface, or changes it.
   * @throws {@link MeshError} `NO_NETWORK`, `NO_MEMBER`, `NOT_ADMIN`, `CONFLICT`, `INVALID_OPTION`, `FILE`, `CLOSED`
   */
  async membership(request: MembershipRequest): Promise<MembershipReply> {
    if (this.#closing !== undefined) throw closed(this.#device.name);
    return await this.#membership.ask(request);
  }

  /**
   * Uses other peers of the configuration, and another trust in them. Tunnels to peers that stay go on. For an interface
   * that this mesh has made, the peers and addresses of `create` count; otherwise those of `peers`.
   * @throws {@link MeshError} `OWN_KEY`, `LOW_ORDER_KEY`, `CONFLICT`; then nothing is changed. `COMMAND_FAILED`, `CLOSED`
   */
  async configure({ create, peers = [], addresses = [], trust }: ChangeableOptions): Promise<void> {
    if (this.#closing !== undefined) throw closed(this.#device.name);
    const prefixes = addresses.map(({ prefix }) => prefix);
    if (prefixes.length > 0) checkOverlay(this.#device.name, prefixes, lansIn(await this.#device.links()));
    if (this.#isMade && create !== undefined) this.#peerSet.takeState(await this.#device.recreate(create));
    const before = this.#configured;
    this.#configured = new ConfiguredPeers(peers, addresses, before);
    this.#trust.clear();
    for (const [publicKey, level] of trust ?? []) this.#trust.set(publicKey, level);
    if (!before.isEmpty || !this.#configured.isEmpty)
      await this.#useConfigured(this.#configured.changedSince(before));
    // A place that is new is tried where no path is known.
    for (const { publicKey, endpoint } of [...(create?.peers ?? []), ...peers])
      if (endpoint !== undefined) this.#peerSet.tryPlace(formatKey(publicKey), endpoint);
    this.#gossip.again();
  }

  /**
   * Looks at WireGuard now. Otherwise the handshakes and bytes in {@link info} may be up to 15 s old while no data
   * flows.
   */
  async look(): Promise<void> {
    await this.#looks.now();
  }

  /** Ends the mesh, and restores the interface. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What {@link close} has restored, a few words for each change. */
  get putBack(): readonly string[] {
    return [...this.#names.undone, ...this.#device.undone];
  }

  /** Calls {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Must be called when a gateway has mapped a port, or a mapping has ended. */
  mapped(): void {
    if (this.#closing === undefined) this.#addresses.mapped(this.#portMapping?.endpoints() ?? []);
  }

  /**
   * @internal Must be called when a broker can be reached again. Peers without a path are told of this host and looked
   * for.
   */
  hunt(): void {
    for (const peer of this.#peers.values()) {
      if (peer.machine.snapshot(performance.now()).path === undefined) peer.take({ type: "own-candidates" });
    }
  }

  /** Handles a packet that came in by the probes' sockets. */
  #receive(bytes: Uint8Array, remote: Endpoint, local: string | undefined): void {
    if (this.#sleepWatch.packetCame()) return;
    if (!this.#prober.receive(bytes, remote, local)) this.#stun.receive(bytes, remote);
  }

  get #publicKey(): Uint8Array {
    return this.#device.state.publicKey ?? new Uint8Array();
  }

  async #start(network: Network): Promise<void> {
    this.#device.on("warning", (message) => this.emit("warning", message));
    this.#device.on("wake", (network) => {
      if (this.#closing !== undefined) return;
      if (network !== undefined) void this.#takeNetwork(network).catch(this.#warn);
      void this.look();
    });
    await this.#takeNetwork(network);
    this.#addresses.on("changed", () => {
      const own = this.#addresses.nat;
      for (const peer of this.#peers.values()) peer.take({ type: "nat", own, peer: undefined });
      this.#telling.changed();
    });
    this.#addresses.on("seen", (seen) => this.emit("step", { step: "seen", ...seen }));
    this.#peerSet.takeState(this.#device.state);
    this.#telling.start(this.#addresses.ask());
    if (!this.#configured.isEmpty) await this.#useConfigured();
    await this.#membership.start();
    this.#looks.later();
  }

  async #setMembers(): Promise<DeviceState> {
    const members = this.#configured.with(this.#members, formatKey(this.#publicKey));
    const state = await this.#device.setMembers(members);
    this.#peerSet.takeState(state);
    return state;
  }

  /** Adds the peers in the configuration to the interface, and sets the endpoints that WireGuard lacks. */
  async #useConfigured(changed: ReadonlySet<string> = new Set()): Promise<void> {
    const lacking = (state: DeviceState): ReturnType<ConfiguredPeers["lacking"]> =>
      this.#configured.lacking(state, changed, this.#getTime() / 1000);
    for (const { publicKey, endpoint } of lacking(await this.#setMembers()))
      await this.#device.use(publicKey, endpoint, {
        isFresh: true,
        isWanted: (now) => lacking(now).some((one) => one.publicKey === publicKey),
      });
  }

  async #close(): Promise<void> {
    this.#addresses.close();
    this.#sleepWatch.stop();
    this.#telling.close();
    this.#membership.close();
    await this.#gossip.close();
    const unnamed = this.#names.close();
    await Promise.all([this.#relaying.close(), this.#turn.close()]);
    this.#peerSet.close();
    this.#channels.close();
    this.#prober.close();
    await this.#looks.close();
    const unmapped = this.#portMapping?.close();
    try {
      // The peers' channels end, too, because they use these connections.
      await this.#signaling.close();
      await this.#sockets.close();
      await Promise.all([unmapped, this.#lan?.close()]);
      await this.#save();
    } finally {
      // Even after an error, the interface and the names are restored.
      await unnamed;
      await this.#device.close();
    }
  }

  #named(peer: PeerInfo): PeerInfo {
    const { publicKey } = peer;
    return { ...peer, name: this.#membership.nameOf(publicKey), isAlive: this.#gossip.isAlive(publicKey) };
  }

  /** Handles bytes from a peer, or from somebody who uses its name. */
  #hear(name: string, bytes: Uint8Array, by: Way): void {
    if (isSyncMessage(bytes) || isRotateMessage(bytes)) this.#membership.hear(name, bytes, by);
    else this.#hearing.hear(name, bytes);
  }

  readonly #warn = (error: unknown): void => {
    if (this.#closing !== undefined) return;
    if (error instanceof MeshError && error.code === "NO_INTERFACE" && !this.#isMade) {
      this.emit("gone", error);
      void this.close().catch(() => {});
    } else this.emit("warning", error instanceof Error ? error.message : String(error));
  };

  async #takeNetwork(network: Network): Promise<void> {
    const { links, routes } = network;
    const { addresses = [] } = links.find(({ name }) => name === this.#device.name) ?? {};
    const usable = addresses.filter(({ isUsable, scope }) => isUsable && scope === "global");
    this.#overlay = usable.map(({ address }) => address);
    void this.#names.serveAt(this.#overlay);
    const change = this.#addresses.look(network, this.#device.state.listenPort);
    await this.#sockets.setLocalAddresses(this.#addresses.local);
    await this.#lan?.look(links, this.#addresses.local);
    this.#portMapping?.look(links, routes, this.#device.state.listenPort);
    if (change === "moved") this.#moved();
    else if (change === "changed") this.#telling.changed();
  }

  /** Must be called when the host is in another network, or has slept. */
  #moved(): void {
    if (this.#closing !== undefined) return;
    this.#signaling.networkChanged();
    for (const peer of this.#peers.values()) peer.take({ type: "network-changed" });
    void this.#addresses.ask();
    this.#turn.moved();
    this.#portMapping?.again();
    this.#lan?.changed();
    this.#gossip.again();
    this.#telling.changed();
  }

  async #save(): Promise<void> {
    await this.#state.save().catch(this.#warn);
  }
}

/** The addresses of a link, with their prefixes. */
function addressesOf({ addresses }: Link): InterfaceAddress[] {
  return addresses.flatMap(({ address, bits }) => {
    const prefix = parsePrefix(`${address}/${bits}`);
    return prefix === undefined ? [] : [{ address, prefix }];
  });
}

function closed(name: string): MeshError {
  return new MeshError("CLOSED", `${name} is looked after no more`);
}
