import { MeshError } from "../errors.js";
import { nextFree, numberOf } from "../roster/addresses.js";
import { MAX_MEMBERS, type View } from "../roster/view.js";
import { formatKey, parseKey } from "../wireguard-key.js";
import type { JoinAnswer, JoinRequest } from "./join-message.js";
import type { Changed, Place } from "./place.js";
import type { MembershipReply } from "./requests.js";
import { type Roles, rolesFrom } from "./role-texts.js";
import { MAX_USES } from "./roster-file.js";

/** Decides who becomes a member, and gives newcomers their names and addresses. */
export class Newcomers {
  readonly #place: Place;
  readonly #changed: Changed;

  constructor(place: Place, changed: Changed) {
    this.#place = place;
    this.#changed = changed;
  }

  async admit(secret: string, publicKey: Uint8Array, request: JoinRequest): Promise<JoinAnswer> {
    const { file, getTime } = this.#place.means;
    const invite = file.invites.find((one) => one.secret === secret);
    const view = this.#place.view;
    const key = formatKey(publicKey);
    if (invite === undefined || view === undefined) return "expired";
    if (view.removed.has(key)) return "removed";
    // The newcomer asks again, because the answer was lost.
    if (view.members.has(key)) return "member";
    if (!view.admins.has(this.#place.signer)) return "no-admin";
    if (file.waiting.some((one) => one.publicKey === key)) return "waiting";
    if (invite.expires <= getTime()) return "expired";
    // A removed member still has the token, and can make any number of keys.
    const isSpoilt = invite.joined.some((one) => view.removed.has(one) && !view.replaced.has(one));
    if (isSpoilt || invite.joined.length >= invite.uses) return "used";
    if (view.members.size >= MAX_MEMBERS) return "full";
    if (request.isNameFixed && hasMember(view, request.name)) return "name-taken";
    file.invites = file.invites.map((one) =>
      one === invite ? { ...one, joined: [...one.joined, key] } : one,
    );
    const { groups, routes } = invite;
    if (invite.approve) {
      if (file.waiting.length >= MAX_USES) return "full";
      const signer = formatKey(request.signer);
      file.waiting = [...file.waiting, { publicKey: key, name: request.name, signer, groups, routes }];
      await file.save();
      this.#place.means.onWarning(
        `${request.name} (${key}) wants to join: sidewire-mesh approve ${request.name}`,
      );
      return "waiting";
    }
    await this.#enter(publicKey, request.signer, this.#freeName(request.name), { groups, routes });
    return "member";
  }

  async approve(wanted: string): Promise<MembershipReply> {
    const { file } = this.#place.means;
    this.#place.asAdmin();
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
    const name = await this.#enter(
      parseKey(one.publicKey),
      parseKey(one.signer),
      this.#freeName(one.name),
      one,
    );
    return { did: "done", text: `${name} is a member now.` };
  }

  /** Makes a newcomer a member. @returns its name */
  async #enter(publicKey: Uint8Array, signer: Uint8Array, name: string, roles: Roles): Promise<string> {
    const { roster } = this.#place.means.file;
    const prefix = this.#place.view?.prefix;
    const taken = new Set(
      roster?.taken.flatMap(({ statement }) =>
        statement.fields.address === undefined ? [] : [numberOf(statement.fields.address)],
      ),
    );
    for (const { addresses } of this.#place.view?.members.values() ?? [])
      for (const address of addresses) if (address.length === 4) taken.add(numberOf(address));
    const address = prefix && nextFree(prefix, (one) => taken.has(one));
    const { groups, routes } = roles;
    await this.#changed([
      this.#place.say("member", publicKey, { name, address, signer }),
      ...(groups === undefined && routes === undefined
        ? []
        : [this.#place.say("roles", publicKey, rolesFrom({ groups, routes }))]),
    ]);
    return this.#place.nameOf(formatKey(publicKey)) ?? name;
  }

  /** The name, or the name with a number if it is taken. */
  #freeName(name: string): string {
    const view = this.#place.view;
    if (view === undefined || !hasMember(view, name)) return name;
    for (let i = 2; ; i++) {
      const other = `${name.slice(0, 57)}-${i}`;
      if (!hasMember(view, other)) return other;
    }
  }
}

export function hasMember({ members }: View, wanted: string): boolean {
  return [...members.values()].some(({ name }) => name === wanted);
}
