import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { formatPrefix } from "../ip/prefix.js";
import { isName, nameFrom } from "../roster/member-name.js";
import { Roster } from "../roster/roster.js";
import type { Fields } from "../roster/statement.js";
import { parseKey } from "../wireguard-key.js";
import { SECRET_BYTES } from "./invite-keys.js";
import { hasMember, type Newcomers } from "./newcomers.js";
import type { Changed, Place } from "./place.js";
import type { MembershipReply, MembershipRequest } from "./requests.js";
import type { RoleGiving } from "./role-giving.js";
import { isOpen, MAX_INVITES } from "./roster-file.js";
import { fitsToken, formatToken } from "./token.js";

type Invitation = MembershipRequest & { readonly do: "invite" };

/** The actions of a person as an admin. */
export class Administration {
  readonly #place: Place;
  readonly #newcomers: Newcomers;
  readonly #roles: RoleGiving;
  readonly #changed: Changed;
  /** Called when the invitations have changed. */
  readonly #onInvites: () => void;

  constructor(
    place: Place,
    newcomers: Newcomers,
    roles: RoleGiving,
    changed: Changed,
    onInvites: () => void,
  ) {
    this.#place = place;
    this.#newcomers = newcomers;
    this.#roles = roles;
    this.#changed = changed;
    this.#onInvites = onInvites;
  }

  /** @throws {@link MeshError} `NO_NETWORK`, `NO_MEMBER`, `NOT_ADMIN`, `CONFLICT`, `INVALID_OPTION`, `FILE` */
  async ask(
    request: Exclude<MembershipRequest, { readonly do: "members" | "rotate-key" }>,
  ): Promise<MembershipReply> {
    switch (request.do) {
      case "invite":
        return await this.#invite(request);
      case "approve":
        return await this.#newcomers.approve(request.name);
      case "remove":
        return await this.#remove(request.name);
      case "rename":
        return await this.#rename(request.name, request.to);
      case "promote":
        return await this.#promote(request.name);
      case "demote":
        return await this.#demote(request.name);
      case "set":
        return await this.#roles.set(request.name, request);
      case "allow":
        return await this.#roles.allow(request.rule);
      case "disallow":
        return await this.#roles.disallow(request.rule);
    }
  }

  async #invite(request: Invitation): Promise<MembershipReply> {
    const { file, getTime, keys, brokers } = this.#place.means;
    const notes: string[] = [];
    if (file.roster === undefined) notes.push(await this.#found(request));
    else if (request.network !== undefined && request.network !== this.#place.view?.name)
      throw new MeshError("CONFLICT", `this host is in the network ${this.#place.view?.name} already`);
    const { view } = this.#place.asAdmin();
    const own = keys();
    if (own === undefined) throw this.#place.noNetwork();
    const { uses, approve, groups, routes } = request;
    this.#roles.checkInvited(request);
    const now = getTime();
    const open = file.invites.filter((invite) => isOpen(invite, now));
    if (open.length >= MAX_INVITES)
      throw new MeshError(
        "CONFLICT",
        `${MAX_INVITES} invitations are open already: wait until some are used or over`,
      );
    const secret = randomBytes(SECRET_BYTES);
    const expires = Math.floor(now / 1000) + request.expiresS;
    const roles = { groups, routes };
    file.invites = [
      ...open,
      { secret: secret.toString("base64"), expires: expires * 1000, uses, approve, joined: [], ...roles },
    ];
    await file.save();
    this.#onInvites();
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

  /** Founds a network with this host as the first member and admin. @returns a sentence */
  async #found(request: Invitation): Promise<string> {
    const { file, getTime, keys, addresses, interface: interfaceName } = this.#place.means;
    const own = keys();
    if (own === undefined) throw this.#place.noNetwork();
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
    return (
      `The network ${network} is founded: this host is its first member, ${name}, and its admin. ` +
      (four === undefined
        ? "Members get IPv6 addresses"
        : `Members get addresses of ${formatPrefix(four.prefix)}`)
    );
  }

  async #remove(wanted: string): Promise<MembershipReply> {
    const { file } = this.#place.means;
    const { view } = this.#place.asAdmin();
    const waiting = file.waiting.find(({ name, publicKey }) => name === wanted || publicKey === wanted);
    if (waiting !== undefined && !hasMember(view, wanted)) {
      file.waiting = file.waiting.filter((one) => one !== waiting);
      await file.save();
      return { did: "done", text: `${waiting.name} waits no more.` };
    }
    const member = this.#place.member(wanted);
    if (this.#place.isSelf(member))
      throw new MeshError("INVALID_OPTION", `${member.name} is this host: let another admin remove it`);
    const entries = [
      ...(member.isAdmin
        ? [this.#place.say("remove-admin", parseKey(member.signer), this.#lastOf(member.signer))]
        : []),
      this.#place.say("remove", parseKey(member.publicKey), {}),
    ];
    await this.#changed(entries);
    return {
      did: "done",
      text: `${member.name} is removed. Its key never comes back; the machine may, with another one.`,
    };
  }

  async #rename(wanted: string, to: string): Promise<MembershipReply> {
    const { view } = this.#place.asAdmin();
    const member = this.#place.member(wanted);
    checkName(to);
    if (to !== member.name && hasMember(view, to))
      throw new MeshError("CONFLICT", `a member of ${view.name} is called ${to} already`);
    const address = member.addresses.find((one) => one.length === 4);
    const signer = parseKey(member.signer);
    await this.#changed([
      this.#place.say("member", parseKey(member.publicKey), { name: to, address, signer }),
    ]);
    return { did: "done", text: `${member.name} is called ${to} now.` };
  }

  async #promote(wanted: string): Promise<MembershipReply> {
    this.#place.asAdmin();
    const member = this.#place.member(wanted);
    if (member.isAdmin) return { did: "done", text: `${member.name} is an admin already.` };
    await this.#changed([this.#place.say("admin", parseKey(member.signer), {})]);
    if (!this.#place.view?.admins.has(member.signer))
      throw new MeshError(
        "CONFLICT",
        `${member.name} was an admin before, and cannot be one again with this key`,
      );
    return { did: "done", text: `${member.name} is an admin now.` };
  }

  async #demote(wanted: string): Promise<MembershipReply> {
    const { view } = this.#place.asAdmin();
    const member = this.#place.member(wanted);
    if (!member.isAdmin) throw new MeshError("NO_MEMBER", `${member.name} is no admin`);
    if (view.admins.size === 1)
      throw new MeshError(
        "CONFLICT",
        `${member.name} is the last admin: first sidewire-mesh promote another one`,
      );
    await this.#changed([
      this.#place.say("remove-admin", parseKey(member.signer), this.#lastOf(member.signer)),
    ]);
    return { did: "done", text: `${member.name} is no admin any more.` };
  }

  /**
   * The last statement of a removed admin that counts: all up to now, or up to the first two that contradict each
   * other.
   */
  #lastOf(admin: string): Fields {
    const { roster } = this.#place.means.file;
    const known = (roster?.counterOf(admin) ?? 0) + (admin === this.#place.signer ? 1 : 0);
    const fork = roster?.forks.get(admin);
    return { last: fork === undefined ? known : Math.min(known, fork - 1) };
  }
}

function checkName(name: string): void {
  if (!isName(name))
    throw new MeshError(
      "INVALID_OPTION",
      `the name ${name}: 1 to 63 of a-z, 0-9 and - are expected, as in web-2`,
    );
}
