import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { BrokerPool } from "sidewire";
import type { InterfaceAddress } from "../device/create.js";
import type { Members } from "../device/members.js";
import { MeshError } from "../errors.js";
import { formatAddress, parseAddress } from "../ip/address.js";
import { parsePrefix } from "../ip/prefix.js";
import { nextFree, numberOf, ulaPrefix } from "../roster/addresses.js";
import { isName, nameFrom } from "../roster/member-name.js";
import { type Entry, type Mark, Roster } from "../roster/roster.js";
import type { Fields, StatementKind } from "../roster/statement.js";
import { MAX_MEMBERS, type Member, type View, viewOf } from "../roster/view.js";
import type { OpenAddress } from "../signal/channel.js";
import { formatKey, parseKey } from "../wireguard-key.js";
import { SECRET_BYTES } from "./invite-keys.js";
import { Invites } from "./invites.js";
import type { JoinAnswer, JoinRequest } from "./join-message.js";
import type { MembershipReply, MembershipRequest, NetworkInfo } from "./requests.js";
import { type Invite, MAX_INVITES, MAX_USES, type RosterFile } from "./roster-file.js";
import { Sync, type Way } from "./sync.js";
import { fitsToken, formatToken } from "./token.js";

/** How long a start waits for others before it speaks to those who may have been removed meanwhile, ms. */
const HOLD_MS = 5000;
/** Whom a start asks besides the admins. */
const ASKED_AT_START = 8;

/** What membership works with. Members are named by their WireGuard keys, base64. */
export interface MembershipMeans {
  readonly interface: string;
  readonly file: RosterFile;
  /** It has just been got from an admin. */
  readonly isFresh: boolean;
  /** What a token carries; undefined: the public ones. */
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  readonly keys: () => { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array } | undefined;
  readonly openAddress: OpenAddress;
  readonly tellOnPath: (name: string, bytes: Uint8Array) => Promise<boolean> | undefined;
  readonly tellOverBrokers: (name: string, bytes: Uint8Array) => Promise<boolean>;
  /** Gives the interface its members. */
  readonly apply: (members: Members) => Promise<void>;
  /** The IPv4 addresses that the interface has. */
  readonly addresses: () => Promise<readonly InterfaceAddress[]>;
  readonly onWarning: (message: string) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * This host's place in a network: the roster, and what follows from it. Without a roster it does nothing, until the first
 * invitation founds a network.
 */
export class Membership {
  readonly #means: MembershipMeans;
  readonly #sync: Sync;
  readonly #invites: Invites;
  #view: View | undefined;
  /** One change of the file after the other. */
  #turn: Promise<unknown> = Promise.resolve();
  #applying: Promise<void> | undefined;
  #isStale = false;
  /** Members whose rosters have been seen to say nothing new. */
  readonly #level = new Set<string>();
  #isHeld = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #troubles = new Map<string, string>();
  readonly #seen = new Map<string, readonly Mark[]>();
  #isClosed = false;

  constructor(means: MembershipMeans) {
    this.#means = means;
    this.#sync = new Sync({
      roster: () => means.file.roster,
      others: () => this.#others().map(({ publicKey }) => publicKey),
      tellOnPath: means.tellOnPath,
      tellOverBrokers: means.tellOverBrokers,
      take: (name, statements) => this.#take(name, statements),
      onSummary: (name, marks) => this.#look(name, marks),
      onLevel: (name) => {
        if (this.#level.has(name)) return;
        this.#level.add(name);
        if (this.#isHeld) this.#apply();
      },
      onForeign: (name) => this.#trouble(`foreign ${name}`, `${this.#nameOf(name)} is in another network`),
    });
    this.#invites = new Invites({
      openAddress: means.openAddress,
      keys: means.keys,
      admit: (secret, publicKey, request) => this.#inTurn(() => this.#admit(secret, publicKey, request)),
      statements: () => means.file.roster?.taken.map(({ bytes }) => bytes) ?? [],
      onError: means.onError,
    });
  }

  /** Makes the members peers, after those who may know more have been asked. */
  async start(): Promise<void> {
    const { file, isFresh, onWarning } = this.#means;
    if (file.trouble !== undefined) onWarning(file.trouble);
    if (file.roster === undefined) return;
    this.#view = viewOf(file.roster);
    const { admins } = this.#view;
    const isOnlyAdmin = admins.size === 1 && admins.has(this.#signer);
    this.#isHeld = !isFresh && !isOnlyAdmin && this.#others().length > 0;
    this.#sync.start();
    this.#openInvites();
    if (this.#isHeld) this.#askFirst();
    this.#apply();
    await this.#applying;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#sync.close();
    this.#invites.close();
  }

  /** Something of the roster that came from a peer. */
  hear(name: string, bytes: Uint8Array, by: Way): void {
    if (!this.#isClosed) this.#sync.hear(name, bytes, by);
  }

  /** A path to a peer works that did not before. */
  met(name: string): void {
    if (!this.#isClosed && this.#view?.members.has(name)) this.#sync.greet(name);
  }

  /** What a peer is called; undefined for one that is no member. */
  nameOf(publicKey: string): string | undefined {
    return this.#view?.members.get(publicKey)?.name;
  }

  /** @throws {@link MeshError} `NO_NETWORK` */
  info(): NetworkInfo {
    const { file, keys } = this.#means;
    const { roster } = file;
    const view = this.#view;
    if (roster === undefined || view === undefined) throw this.#noNetwork();
    const own = keys();
    const ownKey = own && formatKey(own.publicKey);
    return {
      name: view.name,
      id: Buffer.from(roster.network).toString("hex"),
      isAdmin: view.admins.has(this.#signer),
      members: [...view.members.values()].map(({ publicKey, name, addresses, isAdmin, since }) => ({
        ...{ publicKey, name, addresses: addresses.map(formatAddress), isAdmin, since },
        isSelf: publicKey === ownKey,
      })),
      waiting: file.waiting.map(({ name, publicKey }) => ({ name, publicKey })),
      troubles: [...this.#troubles.values()],
    };
  }

  /**
   * Does what a person asks for. It is on the disk, and told to the others, when this resolves.
   * @throws {@link MeshError} `NO_NETWORK`, `NO_MEMBER`, `NOT_ADMIN`, `CONFLICT`, `INVALID_OPTION`, `FILE`
   */
  async ask(request: MembershipRequest): Promise<MembershipReply> {
    if (request.do === "members") return { did: "members", network: this.info() };
    return await this.#inTurn(async () => {
      switch (request.do) {
        case "invite":
          return await this.#invite(request);
        case "approve":
          return await this.#approve(request.name);
        case "remove":
          return await this.#remove(request.name);
        case "rename":
          return await this.#rename(request.name, request.to);
        case "promote":
          return await this.#promote(request.name);
        case "demote":
          return await this.#demote(request.name);
      }
    });
  }

  get #signer(): string {
    return formatKey(this.#means.file.key.publicKey);
  }

  #others(): Member[] {
    const own = this.#means.keys();
    const ownKey = own && formatKey(own.publicKey);
    return [...(this.#view?.members.values() ?? [])].filter(({ publicKey }) => publicKey !== ownKey);
  }

  #nameOf(publicKey: string): string {
    return this.nameOf(publicKey) ?? publicKey;
  }

  /** One after the other, whatever came of the one before. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work, work);
    this.#turn = turn.catch(() => {});
    return await turn;
  }

  // --- what admins do

  async #invite(request: MembershipRequest & { do: "invite" }): Promise<MembershipReply> {
    const { file, getTime, keys, brokers } = this.#means;
    const notes: string[] = [];
    if (file.roster === undefined) notes.push(await this.#found(request));
    else if (request.network !== undefined && request.network !== this.#view?.name)
      throw new MeshError("CONFLICT", `this host is in the network ${this.#view?.name} already`);
    const { view } = this.#asAdmin();
    const own = keys();
    if (own === undefined) throw this.#noNetwork();
    const now = getTime();
    const open = file.invites.filter((invite) => isOpen(invite, now));
    if (open.length >= MAX_INVITES)
      throw new MeshError(
        "CONFLICT",
        `${MAX_INVITES} invitations are open already: wait until some are used or over`,
      );
    const secret = randomBytes(SECRET_BYTES);
    const expires = Math.floor(now / 1000) + request.expiresS;
    const { uses, approve } = request;
    file.invites = [
      ...open,
      { secret: secret.toString("base64"), expires: expires * 1000, uses, approve, joined: [] },
    ];
    await file.save();
    this.#openInvites();
    const carried = brokers !== undefined && fitsToken(brokers) ? brokers : undefined;
    if (brokers !== undefined && carried === undefined)
      notes.push("The brokers do not fit into the token: give sidewire-mesh join the same --brokers FILE.");
    const token = formatToken({
      network: view.name,
      admin: own.publicKey,
      secret,
      expires,
      brokers: carried,
    });
    return { did: "invite", token, network: view.name, expires: expires * 1000, uses, notes };
  }

  /** Makes a network of which this host is the first member and admin. @returns a sentence */
  async #found(request: MembershipRequest & { do: "invite" }): Promise<string> {
    const { file, getTime, keys, addresses, interface: interfaceName } = this.#means;
    const own = keys();
    if (own === undefined) throw this.#noNetwork();
    const network = request.network ?? nameFrom(interfaceName) ?? "mesh";
    const name = request.name ?? nameFrom(hostname()) ?? "host";
    for (const one of [network, name]) checkName(one);
    const four = (await addresses()).find(
      ({ prefix }) => prefix.address.length === 4 && prefix.bits >= 8 && prefix.bits <= 30,
    );
    const roster = Roster.found(file.key, { name: network, prefix: four?.prefix }, getTime());
    const address = four && parseAddress(four.address);
    const signer = file.key.publicKey;
    roster.write(file.key, "member", own.publicKey, { name, address, signer }, getTime());
    file.roster = roster;
    await this.#changed([]);
    this.#sync.start();
    return (
      `The network ${network} is founded: this host is its first member, ${name}, and its admin. ` +
      (four === undefined
        ? "Members get IPv6 addresses"
        : `Members get addresses of ${formatAddress(four.prefix.address)}/${four.prefix.bits}`)
    );
  }

  async #approve(wanted: string): Promise<MembershipReply> {
    const { file } = this.#means;
    this.#asAdmin();
    const found = file.waiting.filter(
      ({ name, publicKey }) => name === wanted || publicKey.startsWith(wanted),
    );
    const [one, ...more] = found;
    if (one === undefined)
      throw new MeshError(
        "NO_MEMBER",
        `nobody of the name or key ${wanted} waits: sidewire-mesh members shows who does`,
      );
    if (more.length > 0)
      throw new MeshError("NO_MEMBER", `${found.length} who wait are called ${wanted}: give the key of one`);
    file.waiting = file.waiting.filter((other) => other !== one);
    const name = await this.#enter(parseKey(one.publicKey), parseKey(one.signer), this.#freeName(one.name));
    return { did: "done", text: `${name} is a member now.` };
  }

  async #remove(wanted: string): Promise<MembershipReply> {
    const { file } = this.#means;
    const { view } = this.#asAdmin();
    const waiting = file.waiting.find(({ name, publicKey }) => name === wanted || publicKey === wanted);
    if (waiting !== undefined && !hasMember(view, wanted)) {
      file.waiting = file.waiting.filter((one) => one !== waiting);
      await file.save();
      return { did: "done", text: `${waiting.name} waits no more.` };
    }
    const member = this.#member(wanted);
    if (this.#isSelf(member))
      throw new MeshError("INVALID_OPTION", `${member.name} is this host: let another admin remove it`);
    const entries = [
      ...(member.isAdmin
        ? [this.#say("remove-admin", parseKey(member.signer), this.#lastOf(member.signer))]
        : []),
      this.#say("remove", parseKey(member.publicKey), {}),
    ];
    await this.#changed(entries);
    return {
      did: "done",
      text: `${member.name} is removed. Its key never comes back; the machine may, with another one.`,
    };
  }

  async #rename(wanted: string, to: string): Promise<MembershipReply> {
    const { view } = this.#asAdmin();
    const member = this.#member(wanted);
    checkName(to);
    if (to !== member.name && hasMember(view, to))
      throw new MeshError("CONFLICT", `a member of ${view.name} is called ${to} already`);
    const address = member.addresses.find((one) => one.length === 4);
    const signer = parseKey(member.signer);
    await this.#changed([this.#say("member", parseKey(member.publicKey), { name: to, address, signer })]);
    return { did: "done", text: `${member.name} is called ${to} now.` };
  }

  async #promote(wanted: string): Promise<MembershipReply> {
    this.#asAdmin();
    const member = this.#member(wanted);
    if (member.isAdmin) return { did: "done", text: `${member.name} is an admin already.` };
    await this.#changed([this.#say("admin", parseKey(member.signer), {})]);
    if (!this.#view?.admins.has(member.signer))
      throw new MeshError(
        "CONFLICT",
        `${member.name} was an admin before, and cannot be one again with this key`,
      );
    return { did: "done", text: `${member.name} is an admin now.` };
  }

  async #demote(wanted: string): Promise<MembershipReply> {
    const { view } = this.#asAdmin();
    const member = this.#member(wanted);
    if (!member.isAdmin) throw new MeshError("NO_MEMBER", `${member.name} is no admin`);
    if (view.admins.size === 1)
      throw new MeshError(
        "CONFLICT",
        `${member.name} is the last admin: first sidewire-mesh promote another one`,
      );
    await this.#changed([this.#say("remove-admin", parseKey(member.signer), this.#lastOf(member.signer))]);
    return { did: "done", text: `${member.name} is no admin any more.` };
  }

  /** What an admin that is removed has said until now counts: up to where two of its statements contradict. */
  #lastOf(admin: string): Fields {
    const { roster } = this.#means.file;
    const known = (roster?.counterOf(admin) ?? 0) + (admin === this.#signer ? 1 : 0);
    const fork = roster?.forks.get(admin);
    return { last: fork === undefined ? known : Math.min(known, fork - 1) };
  }

  // --- newcomers

  async #admit(secret: string, publicKey: Uint8Array, request: JoinRequest): Promise<JoinAnswer> {
    const { file, getTime } = this.#means;
    const invite = file.invites.find((one) => one.secret === secret);
    const view = this.#view;
    const key = formatKey(publicKey);
    if (invite === undefined || view === undefined) return "expired";
    if (view.removed.has(key)) return "removed";
    // It asks again: the answer was lost.
    if (view.members.has(key)) return "member";
    if (!view.admins.has(this.#signer)) return "no-admin";
    if (file.waiting.some((one) => one.publicKey === key)) return "waiting";
    if (invite.expires <= getTime()) return "expired";
    if (invite.joined.length >= invite.uses) return "used";
    if (view.members.size >= MAX_MEMBERS) return "full";
    if (request.isNameFixed && hasMember(view, request.name)) return "name-taken";
    file.invites = file.invites.map((one) =>
      one === invite ? { ...one, joined: [...one.joined, key] } : one,
    );
    if (invite.approve) {
      if (file.waiting.length >= MAX_USES) return "full";
      const signer = formatKey(request.signer);
      file.waiting = [...file.waiting, { publicKey: key, name: request.name, signer }];
      await file.save();
      this.#means.onWarning(`${request.name} (${key}) wants to join: sidewire-mesh approve ${request.name}`);
      return "waiting";
    }
    await this.#enter(publicKey, request.signer, this.#freeName(request.name));
    return "member";
  }

  /** Makes somebody a member. @returns its name */
  async #enter(publicKey: Uint8Array, signer: Uint8Array, name: string): Promise<string> {
    const { roster } = this.#means.file;
    const prefix = this.#view?.prefix;
    const taken = new Set(
      roster?.taken.flatMap(({ statement }) =>
        statement.fields.address === undefined ? [] : [numberOf(statement.fields.address)],
      ),
    );
    for (const { addresses } of this.#view?.members.values() ?? [])
      for (const address of addresses) if (address.length === 4) taken.add(numberOf(address));
    const address = prefix && nextFree(prefix, (one) => taken.has(one));
    await this.#changed([this.#say("member", publicKey, { name, address, signer })]);
    return this.nameOf(formatKey(publicKey)) ?? name;
  }

  /** The name, or the name with a number. */
  #freeName(name: string): string {
    const view = this.#view;
    if (view === undefined || !hasMember(view, name)) return name;
    for (let i = 2; ; i++) {
      const other = `${name.slice(0, 57)}-${i}`;
      if (!hasMember(view, other)) return other;
    }
  }

  #openInvites(): void {
    const now = this.#means.getTime();
    this.#invites.set(this.#means.file.invites.filter((invite) => isOpen(invite, now)));
  }

  // --- the roster

  /** Says something as an admin. */
  #say(kind: Exclude<StatementKind, "found">, subject: Uint8Array, fields: Fields): Entry {
    const { file, getTime } = this.#means;
    const entry = file.roster?.write(file.key, kind, subject, fields, getTime());
    if (entry !== undefined) return entry;
    throw new MeshError("CONFLICT", "the roster has no room for more: found a new network");
  }

  /** What others have said. */
  #take(name: string, statements: readonly Uint8Array[]): void {
    const { roster } = this.#means.file;
    if (roster === undefined) return;
    let isChanged = false;
    for (const bytes of statements) {
      const verdict = roster.add(bytes);
      if (verdict === "new") isChanged = true;
      if (verdict === "fork") this.#lookAtForks(name);
    }
    if (!isChanged) return;
    this.#changed([]).then(() => this.#sync.passOn(), this.#means.onError);
  }

  /** What is in the roster now is written down, then done, then told. */
  async #changed(said: readonly Entry[]): Promise<void> {
    const { file } = this.#means;
    await file.save();
    if (file.roster === undefined || this.#isClosed) return;
    this.#view = viewOf(file.roster);
    this.#sync.push(said);
    this.#apply();
  }

  /** Gives the interface its members; what changes meanwhile is done after that. */
  #apply(): void {
    this.#isStale = true;
    this.#applying ??= this.#applyWhileStale().finally(() => {
      this.#applying = undefined;
    });
  }

  async #applyWhileStale(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      try {
        await this.#means.apply(this.#membersNow());
      } catch (error) {
        this.#means.onError(error);
      }
    }
  }

  #membersNow(): Members {
    const { file, keys } = this.#means;
    const own = keys();
    const self = own && this.#view?.members.get(formatKey(own.publicKey));
    // Who was removed itself has nobody to speak to.
    if (file.roster === undefined || self === undefined) return { addresses: [], peers: [] };
    const prefixes = [this.#view?.prefix, ulaPrefix(file.roster.network)];
    const addresses = self.addresses.flatMap((address): InterfaceAddress[] => {
      const prefix = prefixes.find((one) => one?.address.length === address.length);
      return prefix === undefined ? [] : [{ address: formatAddress(address), prefix }];
    });
    const peers = this.#others().filter((member) => this.#isLetIn(member));
    return {
      addresses,
      peers: peers.map(({ publicKey, addresses: all }) => ({
        publicKey,
        allowedIps: all.flatMap((one) => parsePrefix(formatAddress(one)) ?? []),
      })),
    };
  }

  /** Whether somebody else than a member itself, or an admin, has had the chance to say that it was removed. */
  #isLetIn({ publicKey, isAdmin }: Member): boolean {
    if (!this.#isHeld || (isAdmin && this.#level.has(publicKey))) return true;
    return [...this.#level].some((name) => name !== publicKey && this.#view?.members.has(name));
  }

  #askFirst(): void {
    const others = this.#others();
    const admins = others.filter(({ isAdmin }) => isAdmin);
    const rest = others.filter(({ isAdmin }) => !isAdmin).toSorted(() => Math.random() - 0.5);
    for (const { publicKey } of [...admins, ...rest.slice(0, ASKED_AT_START)])
      this.#sync.greet(publicKey, "brokers");
    this.#timer = setTimeout(() => {
      this.#isHeld = false;
      this.#apply();
    }, HOLD_MS);
  }

  // --- what is wrong

  #look(name: string, marks: readonly Mark[]): void {
    const before = this.#seen.get(name) ?? [];
    const isBack = before.some(({ admin, counter }) => {
      const now = marks.find((mark) => mark.admin === admin);
      return (now?.counter ?? 0) < counter;
    });
    if (isBack)
      this.#trouble(
        `back ${name}`,
        `the roster of ${this.#nameOf(name)} was rolled back: it is refused, and brought up to date`,
      );
    this.#seen.set(name, marks);
  }

  #lookAtForks(name: string): void {
    for (const [admin, counter] of this.#means.file.roster?.forks ?? []) {
      const who =
        [...(this.#view?.members.values() ?? [])].find(({ signer }) => signer === admin)?.name ?? admin;
      this.#trouble(
        `fork ${admin}`,
        `the roster is forked: ${this.#nameOf(name)} has another statement ${counter} of the admin ${who}, which is refused. ` +
          `Somebody else has its key, or an old copy of its state was put back: let another admin demote ${who}`,
      );
    }
  }

  /** Tells of something once, and shows it from then on. */
  #trouble(what: string, sentence: string): void {
    if (this.#troubles.has(what)) return;
    this.#troubles.set(what, sentence);
    this.#means.onWarning(sentence);
  }

  #asAdmin(): { readonly view: View } {
    const view = this.#view;
    if (view === undefined) throw this.#noNetwork();
    if (view.admins.has(this.#signer)) return { view };
    const admins = [...view.members.values()].filter(({ isAdmin }) => isAdmin).map(({ name }) => name);
    throw new MeshError(
      "NOT_ADMIN",
      `this host is no admin of ${view.name}: do it on ${admins.join(" or ") || "an admin's host"}`,
    );
  }

  #isSelf({ publicKey }: Member): boolean {
    const own = this.#means.keys();
    return own !== undefined && formatKey(own.publicKey) === publicKey;
  }

  #member(wanted: string): Member {
    const all = [...(this.#view?.members.values() ?? [])];
    const exact = all.find(({ name, publicKey }) => name === wanted || publicKey === wanted);
    if (exact !== undefined) return exact;
    const [found, ...more] = all.filter(({ publicKey }) => publicKey.startsWith(wanted));
    if (found !== undefined && more.length === 0) return found;
    throw new MeshError(
      "NO_MEMBER",
      found === undefined
        ? `no member of ${this.#view?.name} has the name or key ${wanted}: sidewire-mesh members shows them`
        : `${more.length + 1} members have a key that begins with ${wanted}: give more of it`,
    );
  }

  #noNetwork(): MeshError {
    return new MeshError(
      "NO_NETWORK",
      `${this.#means.interface} is in no network: sidewire-mesh invite founds one, sidewire-mesh join TOKEN enters one`,
    );
  }
}

function isOpen({ expires }: Invite, now: number): boolean {
  return expires > now;
}

function hasMember({ members }: View, wanted: string): boolean {
  return [...members.values()].some(({ name }) => name === wanted);
}

function checkName(name: string): void {
  if (!isName(name))
    throw new MeshError(
      "INVALID_OPTION",
      `the name ${name}: 1 to 63 of a-z, 0-9 and - are expected, as in web-2`,
    );
}
