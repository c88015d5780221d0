import { count } from "../../cli/printable.js";
import type { MemberView, NetworkView } from "../view.js";
import { find, html, whenChanged } from "./dom.js";

/** Shows who is in the network, and who waits. */
export function showMembers(network: NetworkView | undefined): void {
  whenChanged(find("members", HTMLDivElement), network ?? null, () =>
    network === undefined ? [html("p", { class: "muted" }, NO_NETWORK)] : partsOf(network),
  );
}

/** The number of members from which on the list scrolls. */
const LONG = 6;

const NO_NETWORK =
  "This interface belongs to no network of members. Its peers are those of its configuration.";

function partsOf({ name, isAdmin, members, memberCount, rules, waiting, troubles }: NetworkView): Node[] {
  const admin = isAdmin ? ", this host is an admin" : "";
  const cut = members.length < memberCount ? [`The first ${members.length} of ${memberCount}.`] : [];
  return [
    html("p", { class: "muted" }, `${name}: ${count(memberCount, "member")}${admin}`),
    ...troublesOf(troubles),
    ...waitingOf(waiting),
    listOf(members),
    ...cut.map((text) => html("p", { class: "muted" }, text)),
    ...rulesOf(rules),
  ];
}

function troublesOf(troubles: readonly string[]): Node[] {
  if (troubles.length === 0) return [];
  return [html("ul", { class: "troubles" }, ...troubles.map((one) => html("li", {}, one)))];
}

function waitingOf(waiting: NetworkView["waiting"]): Node[] {
  if (waiting.length === 0) return [];
  const items = waiting.map(({ name, key }) =>
    html(
      "li",
      {},
      html("strong", {}, name),
      " waits. Let it in if this is its key:",
      html("span", { class: "muted mono" }, key),
      html("code", {}, `sudo sidewire-mesh approve ${name}`),
    ),
  );
  return [html("ul", { class: "people" }, ...items)];
}

/** A long list scrolls, and what scrolls must be reached by keyboard. */
function listOf(members: readonly MemberView[]): HTMLElement {
  const list = html("ul", { class: "people" }, ...members.map(memberOf));
  if (members.length <= LONG) return list;
  return html(
    "div",
    { class: "scroll", role: "region", tabindex: 0, "aria-labelledby": "members-title" },
    list,
  );
}

function memberOf({ name, role, key, addresses, groups, routes }: MemberView): HTMLLIElement {
  const more = [
    ...(groups.length > 0 ? [`groups: ${groups.join(", ")}`] : []),
    ...(routes.length > 0 ? [`carries ${routes.join(", ")}`] : []),
  ];
  return html(
    "li",
    {},
    html("strong", {}, name),
    role === "member" ? "" : ` (${role})`,
    html(
      "span",
      { class: "muted mono" },
      `${addresses.join(", ")} · `,
      html("span", { title: key }, `${key.slice(0, 8)}…`),
    ),
    ...more.map((text) => html("span", { class: "muted" }, text)),
  );
}

function rulesOf(rules: readonly string[] | undefined): Node[] {
  if (rules === undefined) return [];
  const text = rules.length === 0 ? "No rule is left, so nobody reaches anybody." : "Who reaches whom:";
  return [
    html("p", { class: "muted" }, text),
    html("ul", {}, ...rules.map((rule) => html("li", {}, html("code", {}, rule)))),
  ];
}
