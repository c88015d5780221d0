import { MeshError } from "../errors.js";
import type { Entry } from "../roster/roster.js";
import type { Member, View } from "../roster/view.js";
import { formatKey, parseKey } from "../wireguard-key.js";
import type { Changed, Place } from "./place.js";
import { provesBoth, type RotateAnswer } from "./rotate-message.js";

/**
 * The maximum number of keys that a member may have had. Each key is a statement that stays, and the number of an
 * admin's statements is limited.
 */
export const MAX_KEYS = 32;

/** Gives members that ask for it a new key, as an admin. */
export class KeyExchange {
  readonly #place: Place;
  readonly #changed: Changed;

  constructor(place: Place, changed: Changed) {
    this.#place = place;
    this.#changed = changed;
  }

  /**
   * Decides about a request. The request may be a repeated one.
   * @param before - the key whose channel the request came over, in base64
   * @param next - the requested new key
   */
  async decide(before: string, next: Uint8Array, request: Uint8Array): Promise<RotateAnswer | undefined> {
    const { file, keys } = this.#place.means;
    const { view, signer } = this.#place;
    const own = keys();
    if (view === undefined || file.roster === undefined || own === undefined) return undefined;
    if (!view.admins.has(signer)) return "no-admin";
    const successor = view.replaced.get(before);
    // The member asks again, because the answer was lost.
    if (successor !== undefined) return successor === formatKey(next) ? "done" : "replaced";
    if (view.removed.has(before)) return "removed";
    const member = view.members.get(before);
    if (member === undefined) return "no-member";
    const exchange = {
      ...{ network: file.roster.network, before: parseKey(before), next },
      admin: own.publicKey,
    };
    if (!provesBoth(exchange, request, own.privateKey, parseKey(member.signer))) return "unproven";
    if (isTaken(view, next)) return "taken";
    if (keysOf(view, before) >= MAX_KEYS) return "too-many";
    let entry: Entry;
    try {
      entry = this.#say(member, next);
    } catch (error) {
      if (error instanceof MeshError && error.code === "CONFLICT") return "full";
      throw error;
    }
    await this.#changed([entry]);
    return "done";
  }

  /** Gives this host itself, an admin, a new key. @throws {@link MeshError} `NOT_ADMIN`, `CONFLICT`, `FILE` */
  async replaceOwn(next: Uint8Array): Promise<void> {
    const { view } = this.#place.asAdmin();
    const member = view.members.get(this.#place.ownKey ?? "");
    if (member === undefined || member.publicKey === formatKey(next)) return;
    await this.#changed([this.#say(member, next)]);
  }

  #say({ publicKey, name, addresses, signer }: Member, next: Uint8Array): Entry {
    const address = addresses.find((one) => one.length === 4);
    const replaces = parseKey(publicKey);
    return this.#place.say("member", next, { name, address, signer: parseKey(signer), replaces });
  }
}

function isTaken({ members, removed }: View, key: Uint8Array): boolean {
  const text = formatKey(key);
  return members.has(text) || removed.has(text);
}

/** The number of keys that a member has had. */
function keysOf({ replaced }: View, key: string): number {
  return 1 + [...replaced.values()].filter((one) => one === key).length;
}
