import { MeshError } from "../errors.js";
import { formatAddress, parseAddress } from "../ip/address.js";
import { formatPrefix, overlaps, type Prefix, parsePrefix } from "../ip/prefix.js";
import { MAX_ROUTES } from "../roster/route.js";
import { isGroup, MAX_GROUP_LENGTH, MAX_GROUPS, parseRule, type Rule } from "../roster/rule.js";
import type { Fields } from "../roster/statement.js";
import type { Member } from "../roster/view.js";

/** The roles of a member as a person writes them: groups, subnets that it carries, and whether it may relay. */
export interface Roles {
  readonly groups?: readonly string[] | undefined;
  readonly routes?: readonly string[] | undefined;
  readonly relay?: boolean | undefined;
}

/**
 * Reads roles from texts.
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function rolesFrom({ groups, routes, relay }: Roles): Fields {
  return { groups: groups && groupsFrom(groups), routes: routes && routesFrom(routes), relay };
}

/** @throws {@link MeshError} `INVALID_OPTION` */
export function ruleFrom(text: string): Rule {
  const rule = parseRule(text);
  if (rule !== undefined) return rule;
  throw new MeshError(
    "INVALID_OPTION",
    `the rule ${text}: two groups are expected, in quotes, as in "web -> db"; * is everybody`,
  );
}

export function rolesInWords({ name, groups, routes, mayRelay }: Member): string {
  const inGroups = groups.length === 0 ? "in no group" : `in ${groups.join(", ")}`;
  const carried = routes.length === 0 ? "no subnet" : routes.map(formatPrefix).join(", ");
  const relays = mayRelay ? "" : " It may not relay for others.";
  return `${name} is ${inGroups}, and carries ${carried}.${relays}`;
}

function groupsFrom(texts: readonly string[]): string[] {
  const groups = [...new Set(texts)];
  for (const group of groups)
    if (!isGroup(group))
      throw new MeshError(
        "INVALID_OPTION",
        `the group ${group}: 1 to ${MAX_GROUP_LENGTH} of a-z, 0-9 and - are expected, as in web`,
      );
  if (groups.length > MAX_GROUPS)
    throw new MeshError("INVALID_OPTION", `a member is in ${MAX_GROUPS} groups at most`);
  return groups;
}

function routesFrom(texts: readonly string[]): Prefix[] {
  if (texts.length > MAX_ROUTES)
    throw new MeshError("INVALID_OPTION", `a member carries ${MAX_ROUTES} subnets at most`);
  const routes: Prefix[] = [];
  for (const text of texts) {
    const route = routeFrom(text);
    const other = routes.find((one) => overlaps(one, route));
    if (other !== undefined)
      throw new MeshError(
        "INVALID_OPTION",
        `the routes ${formatPrefix(other)} and ${formatPrefix(route)} overlap: the wider one is enough`,
      );
    routes.push(route);
  }
  return routes;
}

function routeFrom(text: string): Prefix {
  const route = parsePrefix(text);
  const [host = "", length] = text.split("/");
  const address = parseAddress(host);
  if (route === undefined || address === undefined || length === undefined)
    throw new MeshError("INVALID_OPTION", `the route ${text}: a subnet is expected, as in 192.168.7.0/24`);
  if (formatAddress(address) !== formatAddress(route.address))
    throw new MeshError(
      "INVALID_OPTION",
      `the route ${text} is no subnet, but an address in ${formatPrefix(route)}`,
    );
  return route;
}
