import { MeshError } from "../errors.js";
import { formatPrefix } from "../ip/prefix.js";
import { ulaPrefix } from "../roster/addresses.js";
import { problemOf } from "../roster/carriers.js";
import { MAX_RULES } from "../roster/reach.js";
import { EVERYBODY, formatRule, type Rule } from "../roster/rule.js";
import type { Fields } from "../roster/statement.js";
import type { View } from "../roster/view.js";
import { KEY_BYTES, parseKey } from "../wireguard-key.js";
import type { Changed, Place } from "./place.js";
import type { MembershipReply } from "./requests.js";
import { type Roles, rolesFrom, rolesInWords, ruleFrom } from "./role-texts.js";

/** The statements of an admin about groups, routes and rules. */
export class RoleGiving {
  readonly #place: Place;
  readonly #changed: Changed;

  constructor(place: Place, changed: Changed) {
    this.#place = place;
    this.#changed = changed;
  }

  /**
   * Sets all groups of a member, all subnets that it carries, and whether it may relay. Missing fields stay unchanged.
   * @throws {@link MeshError} `NO_NETWORK`, `NOT_ADMIN`, `NO_MEMBER`, `INVALID_OPTION`, `CONFLICT`, `FILE`
   */
  async set(wanted: string, { groups, routes, relay }: Roles): Promise<MembershipReply> {
    this.#place.asAdmin();
    const { publicKey } = this.#place.member(wanted);
    const fields = this.#check({ groups, routes, relay }, publicKey);
    await this.#changed([this.#place.say("roles", parseKey(publicKey), fields)]);
    return { did: "done", text: rolesInWords(this.#place.member(publicKey)) };
  }

  /** Checks the roles in an invitation. @throws {@link MeshError} `NO_NETWORK`, `INVALID_OPTION`, `CONFLICT` */
  checkInvited({ uses, ...roles }: Roles & { readonly uses: number }): void {
    const { routes = [] } = this.#check(roles, undefined);
    if (routes.length > 0 && uses > 1)
      throw new MeshError("INVALID_OPTION", "--routes goes with --uses 1: one member alone carries a subnet");
  }

  /** @throws {@link MeshError} `NO_NETWORK`, `NOT_ADMIN`, `INVALID_OPTION`, `CONFLICT`, `FILE` */
  async allow(text: string): Promise<MembershipReply> {
    const { view } = this.#place.asAdmin();
    const rule = ruleFrom(text);
    const shown = formatRule(rule);
    if (hasRule(view, rule)) return { did: "done", text: `${shown} is allowed already.` };
    const { rules = [] } = view;
    if (rules.length >= MAX_RULES)
      throw new MeshError("CONFLICT", `a network has ${MAX_RULES} rules at most: take one away first`);
    await this.#changed([this.#place.say("allow", new Uint8Array(KEY_BYTES), { rule })]);
    const first =
      view.rules === undefined ? "It is the first rule: what no rule allows is not allowed any more." : "";
    return {
      did: "done",
      text: [`${shown} is allowed now.`, first, ...emptyOf(rule, view)].filter(Boolean).join(" "),
    };
  }

  /** @throws {@link MeshError} `NO_NETWORK`, `NOT_ADMIN`, `INVALID_OPTION`, `CONFLICT`, `FILE` */
  async disallow(text: string): Promise<MembershipReply> {
    const { view } = this.#place.asAdmin();
    const rule = ruleFrom(text);
    const shown = formatRule(rule);
    if (!hasRule(view, rule))
      throw new MeshError("INVALID_OPTION", `there is no rule ${shown}: sidewire-mesh members shows all`);
    await this.#changed([this.#place.say("disallow", new Uint8Array(KEY_BYTES), { rule })]);
    const rest =
      this.#place.view?.rules?.length === 0
        ? `No rule is left, so nobody reaches anybody: sidewire-mesh allow "* -> *" opens the network.`
        : "What other rules allow stays.";
    return { did: "done", text: `The rule ${shown} holds no more. ${rest}` };
  }

  /** @param publicKey - the member that gets the roles; undefined for a newcomer */
  #check(roles: Roles, publicKey: string | undefined): Fields {
    const fields = rolesFrom(roles);
    const { view } = this.#place;
    const { roster } = this.#place.means.file;
    if (view === undefined || roster === undefined) throw this.#place.noNetwork();
    const overlay = [view.prefix ?? [], ulaPrefix(roster.network)].flat();
    for (const route of fields.routes ?? []) {
      const text = formatPrefix(route);
      const problem = problemOf(route, overlay);
      if (problem !== undefined) throw new MeshError("INVALID_OPTION", `the route ${text}: ${problem}`);
      const carrier = [...view.members.values()].find(
        (one) => one.publicKey !== publicKey && one.routes.some((other) => formatPrefix(other) === text),
      );
      if (carrier !== undefined)
        throw new MeshError("CONFLICT", `${text} is carried by ${carrier.name}: take it away there first`);
    }
    return fields;
  }
}

function hasRule({ rules = [] }: View, rule: Rule): boolean {
  return rules.some((one) => formatRule(one) === formatRule(rule));
}

/** A sentence for each group of a rule that has no members. In most cases the group is a typo or a member's name. */
function emptyOf({ from, to }: Rule, { members }: View): string[] {
  const all = [...members.values()];
  return [...new Set([from, to])]
    .filter((side) => side !== EVERYBODY && !all.some(({ groups }) => groups.includes(side)))
    .map(
      (group) =>
        `Nobody is in the group ${group} yet: sidewire-mesh set NAME --groups ${group} puts a member there.`,
    );
}
