import type { InterfaceAddress } from "../device/create.js";
import { isForwarding } from "../device/forwarding.js";
import type { UnusedRoute } from "../device/member-routes.js";
import type { MemberPeer, Members } from "../device/members.js";
import { formatAddress } from "../ip/address.js";
import { formatPrefix, parsePrefix } from "../ip/prefix.js";
import type { NamedNetwork } from "../names/host-names.js";
import { linkLocalAddress } from "../overlay/link-local.js";
import { Budgets } from "../probe/budgets.js";
import { ulaPrefix } from "../roster/addresses.js";
import { Reach } from "../roster/reach.js";
import type { Entry } from "../roster/roster.js";
import { formatRule } from "../roster/rule.js";
import { type Member, viewOf } from "../roster/view.js";
import type { OpenAddress } from "../signal/channel.js";
import { parseKey } from "../wireguard-key.js";
import { Administration } from "./administration.js";
import { Invites } from "./invites.js";
import { KeyExchange } from "./key-exchange.js";
import type { KeyFile } from "./key-file.js";
import { Newcomers } from "./newcomers.js";
import { Place, type PlaceMeans } from "./place.js";
import type { MembershipReply, MembershipRequest, NetworkInfo } from "./requests.js";
import { RoleGiving } from "./role-giving.js";
import { isOpen } from "./roster-file.js";
import { isRotateMessage, readRotateMessage, writeRotateAnswer } from "./rotate-message.js";
import { Rotation, type RotationMeans } from "./rotation.js";
import { routeTroubles } from "./route-troubles.js";
import { Sync, type SyncMeans, type Way } from "./sync.js";
import { Troubles } from "./troubles.js";

/**
 * How long a start waits for other members, before this host talks to members that may have been removed meanwhile; in
 * ms.
 */
const HOLD_MS = 5000;
/** The maximum number of members besides the admins that a start asks. */
const ASKED_AT_START = 8;
/** The limit for key requests and answers of one peer that are read. Each one costs two operations on curves. */
const ROTATIONS = { perSecond: 0.5, burst: 8 } as const;

/** What membership needs. */
export interface MembershipMeans
  extends PlaceMeans,
    Pick<SyncMeans, "tellOnPath" | "tellOverBrokers">,
    Pick<RotationMeans, "openNext" | "setKey"> {
  readonly keyFile: KeyFile;
  /** Whether the roster was just received from an admin. */
  readonly isFresh: boolean;
  readonly openAddress: OpenAddress;
  /**
   * Listens to these members over the brokers, although they are not peers, and stops listening to hosts that are not
   * members.
   */
  readonly listen: (publicKeys: readonly string[], isMember: (publicKey: string) => boolean) => void;
  /** Gives the interface the members that must be peers. */
  readonly apply: (members: Members) => Promise<void>;
  /** Returns the subnets behind members that are not used from this host. */
  readonly unusedRoutes: () => readonly UnusedRoute[];
  /** Publishes the members' names; undefined for no names. */
  readonly name: (network: NamedNetwork | undefined) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * This host's place in a network: the roster and its consequences. Without a roster this class does nothing, until the
 * first invitation founds a network.
 */
export class Membership {
  readonly #means: MembershipMeans;
  readonly #sync: Sync;
  readonly #invites: Invites;
  readonly #place: Place;
  readonly #troubles: Troubles;
  readonly #administration: Administration;
  readonly #exchange: KeyExchange;
  readonly #rotation: Rotation;
  readonly #rotations = new Budgets(ROTATIONS.perSecond, ROTATIONS.burst, Number.POSITIVE_INFINITY);
  /** The last change of the file; changes run one after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Resolves when the statements from others were written and applied. */
  #changing: Promise<void> = Promise.resolve();
  #applying: Promise<void> | undefined;
  #isStale = false;
  /** Members whose rosters contained nothing new. */
  readonly #level = new Set<string>();
  #isHeld = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: MembershipMeans) {
    this.#means = means;
    const place = new Place(means);
    const changed = (said: readonly Entry[]): Promise<void> => this.#changed(said);
    const newcomers = new Newcomers(place, changed);
    this.#place = place;
    this.#troubles = new Troubles(place);
    const roles = new RoleGiving(place, changed);
    this.#administration = new Administration(place, newcomers, roles, changed, () => this.#openInvites());
    this.#exchange = new KeyExchange(place, changed);
    this.#rotation = new Rotation({
      ...{ place, exchange: this.#exchange, keyFile: means.keyFile },
      inTurn: (work) => this.#inTurn(work),
      tell: (name, bytes) => this.#tell(name, bytes),
      openNext: means.openNext,
      hear: (name, bytes) => this.hear(name, bytes, "brokers"),
      setKey: means.setKey,
      onChanged: () => this.#keyChanged(),
      onError: means.onError,
    });
    this.#sync = new Sync({
      now: () => performance.now(),
      random: Math.random,
      roster: () => means.file.roster,
      others: () => place.others().map(({ publicKey }) => publicKey),
      tellOnPath: means.tellOnPath,
      tellOverBrokers: means.tellOverBrokers,
      take: (name, statements) => this.#take(name, statements),
      onSummary: (name, marks) => this.#troubles.look(name, marks),
      // What the peer knew only counts after it was written and applied.
      onLevel: (name) => void this.#changing.then(() => this.#levelled(name)),
      onForeign: (name) => this.#troubles.foreign(name),
    });
    this.#invites = new Invites({
      openAddress: means.openAddress,
      keys: means.keys,
      admit: (secret, publicKey, request) => this.#inTurn(() => newcomers.admit(secret, publicKey, request)),
      statements: () => means.file.roster?.taken.map(({ bytes }) => bytes) ?? [],
      onError: means.onError,
    });
  }

  /** Makes the members peers, after asking members that may know more. */
  async start(): Promise<void> {
    const { file, isFresh } = this.#means;
    this.#sync.start();
    // This host is in no network, so names of an earlier run must be removed.
    if (file.roster === undefined) return this.#means.name(undefined);
    const view = viewOf(file.roster);
    this.#place.view = view;
    const isOnlyAdmin = view.admins.size === 1 && view.admins.has(this.#place.signer);
    this.#isHeld = !isFresh && !isOnlyAdmin && this.#place.others().length > 0;
    this.#openInvites();
    await this.#rotation.start().catch(this.#means.onError);
    if (this.#isHeld) this.#askFirst();
    this.#apply();
    await this.#applying;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#sync.close();
    this.#invites.close();
    this.#rotation.close();
  }

  /** Handles a message of a peer about the roster or keys. */
  hear(name: string, bytes: Uint8Array, by: Way): void {
    if (this.#isClosed) return;
    if (isRotateMessage(bytes)) void this.#hearRotation(name, bytes).catch(this.#means.onError);
    else this.#sync.hear(name, bytes, by);
  }

  /** Must be called when a path to a peer works for the first time. */
  met(name: string): void {
    if (!this.#isClosed && this.#place.view?.members.has(name)) this.#sync.greet(name);
  }

  /** The name of a member; undefined for a host that is not a member. */
  nameOf(publicKey: string): string | undefined {
    return this.#place.view?.members.get(publicKey)?.name;
  }

  /** Whether this host and a peer are members of the same network. */
  isMember(publicKey: string): boolean {
    const { view, ownKey = "" } = this.#place;
    return [ownKey, publicKey].every((key) => view?.members.has(key) === true);
  }

  /** Whether a peer is an admin of the network. */
  isAdmin(publicKey: string): boolean {
    return this.#place.view?.members.get(publicKey)?.isAdmin === true;
  }

  /** Whether the network lets a host relay for others. The network has no say about a host that is not a member. */
  mayRelay(publicKey: string): boolean {
    return this.#place.view?.members.get(publicKey)?.mayRelay ?? true;
  }

  /** Whether the rules let two members be peers of each other. */
  mayMeet(one: string, other: string): boolean {
    const { view } = this.#place;
    const groups = view?.members.get(other)?.groups ?? [];
    return new Reach(view?.rules, view?.members.get(one)?.groups ?? []).meets(groups);
  }

  /** A hash of what this host knows of the roster, 32 bytes. */
  get rosterHash(): Uint8Array | undefined {
    return this.#sync.hash;
  }

  /** Must be called when a peer tells its hash of the roster. With another hash, the two rosters are compared. */
  hearHash(name: string, hash: Uint8Array): void {
    if (this.isMember(name)) this.#sync.hearHash(name, hash);
  }

  /** The problems of other rosters, of the own one and of routes to subnets, one sentence each. */
  get troubles(): readonly string[] {
    return [this.#means.file.trouble ?? [], this.#troubles.sentences, this.#routeTroubles].flat();
  }

  get #routeTroubles(): string[] {
    const { view, ownKey = "" } = this.#place;
    if (view === undefined) return [];
    const forwards = (family: 4 | 6): boolean => isForwarding(this.#means.interface, family);
    return routeTroubles(view, ownKey, this.#means.unusedRoutes(), forwards);
  }

  /** @throws {@link MeshError} `NO_NETWORK` */
  info(): NetworkInfo {
    const { file } = this.#means;
    const { roster } = file;
    const { view, ownKey, signer } = this.#place;
    if (roster === undefined || view === undefined) throw this.#place.noNetwork();
    return {
      name: view.name,
      id: Buffer.from(roster.network).toString("hex"),
      isAdmin: view.admins.has(signer),
      members: [...view.members.values()].map((member) => ({
        publicKey: member.publicKey,
        name: member.name,
        addresses: member.addresses.map(formatAddress),
        isAdmin: member.isAdmin,
        groups: member.groups,
        routes: member.routes.map(formatPrefix),
        mayRelay: member.mayRelay,
        since: member.since,
        isSelf: member.publicKey === ownKey,
      })),
      rules: view.rules?.map(formatRule),
      waiting: file.waiting.map(({ name, publicKey }) => ({ name, publicKey })),
      troubles: this.troubles,
    };
  }

  /**
   * Does what a person asks for. Resolves when the result is on the disk and was sent to the others.
   * @throws {@link MeshError} `NO_NETWORK`, `NO_MEMBER`, `NOT_ADMIN`, `CONFLICT`, `INVALID_OPTION`, `FILE`, `REFUSED`,
   * `TIMEOUT`
   */
  async ask(request: MembershipRequest): Promise<MembershipReply> {
    if (request.do === "members") return { did: "members", network: this.info() };
    // Not in turn: the rotation waits for other hosts, whose messages may need a turn here.
    if (request.do === "rotate-key") return await this.#rotation.rotate();
    return await this.#inTurn(() => this.#administration.ask(request));
  }

  /** Runs work one after the other, even if earlier work failed. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  /** Handles a member's request for a new key, or an admin's answer. */
  async #hearRotation(name: string, bytes: Uint8Array): Promise<void> {
    const { roster } = this.#means.file;
    const message = readRotateMessage(bytes);
    if (message === undefined || roster === undefined) return;
    if (Buffer.compare(message.network, roster.network) !== 0) return;
    if (!this.#rotations.take(name, performance.now())) return;
    if (message.type === "answer") return this.#rotation.hearAnswer(name, message);
    const answer = await this.#inTurn(() => this.#exchange.decide(name, message.next, bytes));
    if (answer !== undefined) this.#tell(name, writeRotateAnswer(message, answer));
  }

  /** Sends a message by the path, if there is one, and by the brokers. */
  #tell(name: string, bytes: Uint8Array): void {
    void this.#means.tellOnPath(name, bytes);
    void this.#means.tellOverBrokers(name, bytes);
  }

  /** The interface has a new key. Messages that were sealed for the old key cannot be read any more. */
  #keyChanged(): void {
    const { file } = this.#means;
    const now = this.#means.getTime();
    if (file.invites.some((invite) => isOpen(invite, now)))
      this.#means.onWarning("the tokens of this host's open invitations end with its old key: invite anew");
    file.invites = [];
    this.#openInvites();
    void file.save().catch(this.#means.onError);
    this.#look();
  }

  #openInvites(): void {
    const now = this.#means.getTime();
    this.#invites.set(this.#means.file.invites.filter((invite) => isOpen(invite, now)));
  }

  /** Handles statements from others. */
  #take(name: string, statements: readonly Uint8Array[]): void {
    const { roster } = this.#means.file;
    if (roster === undefined) return;
    const verdicts = roster.addAll(statements);
    if (verdicts.has("fork")) this.#troubles.forks(name);
    if (!verdicts.has("new")) return;
    this.#changing = this.#changed([]).then(() => this.#sync.passOn(), this.#means.onError);
  }

  /** Writes the roster, applies it, and tells the others, in this order. */
  async #changed(said: readonly Entry[]): Promise<void> {
    const { file } = this.#means;
    try {
      await file.save();
    } catch (error) {
      // Even if the disk is full, a removed member must lose its access.
      this.#look();
      throw error;
    }
    // Before the members are applied: under the old key this host may not be a member any more.
    await this.#rotation.settle().catch(this.#means.onError);
    this.#look();
    if (!this.#isClosed) this.#sync.push(said);
  }

  /** Applies the current roster. */
  #look(): void {
    const { roster } = this.#means.file;
    if (roster === undefined || this.#isClosed) return;
    this.#place.view = viewOf(roster);
    this.#apply();
  }

  /** Gives the interface its members. Changes during that are applied afterwards. */
  #apply(): void {
    this.#isStale = true;
    this.#applying ??= this.#applyWhileStale().finally(() => {
      this.#applying = undefined;
    });
  }

  async #applyWhileStale(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      this.#means.name(this.#namesNow());
      this.#means.listen(this.#heardNow(), (name) => this.#place.view?.members.has(name) === true);
      try {
        await this.#means.apply(this.#membersNow());
      } catch (error) {
        this.#means.onError(error);
      }
    }
  }

  #membersNow(): Members {
    const { file } = this.#means;
    const { view, ownKey = "" } = this.#place;
    const self = view?.members.get(ownKey);
    // A removed host has no peers.
    if (file.roster === undefined || self === undefined) return { addresses: [], peers: [] };
    const prefixes = [view?.prefix, ulaPrefix(file.roster.network)];
    const addresses = self.addresses.flatMap((address): InterfaceAddress[] => {
      const prefix = prefixes.find((one) => one?.address.length === address.length);
      return prefix === undefined ? [] : [{ address: formatAddress(address), prefix }];
    });
    const reach = new Reach(view?.rules, self.groups);
    return { addresses, peers: this.#peersNow(reach) };
  }

  /**
   * The members with which a rule allows contact in at least one direction. The subnets behind a member are only for
   * hosts that may reach the member.
   */
  #peersNow(reach: Reach): MemberPeer[] {
    return this.#place
      .others()
      .filter((member) => this.#isLetIn(member) && reach.meets(member.groups))
      .map(({ publicKey, addresses, groups, routes }) => ({
        publicKey,
        allowedIps: [...addresses.map(formatAddress), linkLocalAddress(parseKey(publicKey))].flatMap(
          (one) => parsePrefix(one) ?? [],
        ),
        routes: reach.reaches(groups) ? routes : [],
      }));
  }

  /**
   * The members that the rules exclude as peers. They may still tell what the roster is. A future peer is not listened
   * to before it is a peer: its first announce would count as heard but reach no peer.
   */
  #heardNow(): string[] {
    const { view, ownKey = "" } = this.#place;
    const self = view?.members.get(ownKey);
    if (view === undefined || self === undefined) return [];
    const reach = new Reach(view.rules, self.groups);
    const excluded = this.#place.others().filter(({ groups }) => !reach.meets(groups));
    return excluded.map(({ publicKey }) => publicKey);
  }

  #namesNow(): NamedNetwork | undefined {
    const { view, ownKey = "" } = this.#place;
    const self = view?.members.get(ownKey);
    if (view === undefined || self === undefined) return undefined;
    const reach = new Reach(view.rules, self.groups);
    const isPeer = (one: Member): boolean => this.#isLetIn(one) && reach.meets(one.groups);
    const named = [...view.members.values()].filter((one) => one === self || isPeer(one));
    return {
      network: view.name,
      members: named.map(({ name, addresses }) => ({ name, addresses: addresses.map(formatAddress) })),
    };
  }

  /** Whether another member, or this member as an admin, has had the chance to say that this member was removed. */
  #isLetIn({ publicKey, isAdmin }: Member): boolean {
    if (!this.#isHeld || (isAdmin && this.#level.has(publicKey))) return true;
    return [...this.#level].some((name) => name !== publicKey && this.#place.view?.members.has(name));
  }

  #levelled(name: string): void {
    if (this.#level.has(name)) return;
    this.#level.add(name);
    if (this.#isHeld) this.#apply();
  }

  #askFirst(): void {
    const others = this.#place.others();
    const admins = others.filter(({ isAdmin }) => isAdmin);
    const rest = others.filter(({ isAdmin }) => !isAdmin).toSorted(() => Math.random() - 0.5);
    for (const { publicKey } of [...admins, ...rest.slice(0, ASKED_AT_START)])
      this.#sync.greet(publicKey, "brokers");
    this.#timer = setTimeout(() => {
      this.#isHeld = false;
      this.#apply();
    }, HOLD_MS);
  }
}
