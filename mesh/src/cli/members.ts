import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { MemberInfo, MembershipRequest, NetworkInfo } from "../membership/requests.js";
import type { Context } from "./context.js";
import { type ExitCode, UsageError } from "./failure.js";
import { count, printable, shortKey, span } from "./printable.js";
import { table } from "./table.js";

export interface MembersOptions {
  readonly interface?: string | undefined;
}

export interface SetOptions extends MembersOptions {
  /** `false` means: no groups. */
  readonly groups?: readonly string[] | false;
  readonly routes?: readonly string[] | false;
  readonly relay?: boolean;
}

/** Shows the members of the network. */
export async function members({ output, env, signal }: Context, name: string | undefined): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const reply = await client.membership({ do: "members" }, signal);
  if (reply.did !== "members") throw new Error("the daemon answered something else");
  await output.result(reply.network, () => membersText(reply.network, Date.now(), output.paint));
  return 0;
}

/** Changes the network, and prints what was done. */
export async function change(
  { output, env, signal }: Context,
  { interface: name }: MembersOptions,
  request: MembershipRequest,
): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const reply = await client.membership(request, signal);
  if (reply.did !== "done") throw new Error("the daemon answered something else");
  await output.result({ done: reply.text }, () => printable(reply.text));
  return 0;
}

/** Sets the groups, routes and relay role of a member. */
export async function set(
  context: Context,
  name: string,
  { groups, routes, relay, ...options }: SetOptions,
): Promise<ExitCode> {
  if (groups === undefined && routes === undefined && relay === undefined)
    throw new UsageError("set needs --groups, --no-groups, --routes, --no-routes, --relay or --no-relay");
  const all = <T>(wanted: readonly T[] | false | undefined): readonly T[] | undefined =>
    wanted === false ? [] : wanted;
  const request = { do: "set", name, groups: all(groups), routes: all(routes), relay } as const;
  return await change(context, options, request);
}

type Column = readonly [title: string, cell: (member: MemberInfo, now: number) => string, isRare?: boolean];

/** The columns of the table. Rare columns are left out when they are empty. */
const COLUMNS: readonly Column[] = [
  ["member", ({ name }) => printable(name)],
  [
    "role",
    ({ isAdmin, isSelf }) =>
      [isAdmin ? "admin" : "", isSelf ? "this host" : ""].filter(Boolean).join(", ") || "member",
  ],
  ["groups", ({ groups }) => groups.map(printable).join(" "), true],
  ["key", ({ publicKey }) => shortKey(publicKey)],
  ["addresses", ({ addresses }) => addresses.map(printable).join(" ")],
  ["carries", ({ routes }) => routes.map(printable).join(" "), true],
  ["relays", ({ mayRelay }) => (mayRelay ? "" : "never"), true],
  [">for", ({ since }, now) => span(now - since)],
];

/** The members of a network, for people. */
export function membersText(network: NetworkInfo, now: number, paint: Context["output"]["paint"]): string {
  const { name, id, isAdmin, members: all, rules, waiting, troubles } = network;
  const head = `${paint.bold(printable(name))}  ${printable(id)}  ${count(all.length, "member")}${isAdmin ? ", this host is an admin" : ""}`;
  const columns = COLUMNS.filter(
    ([, cell, isRare]) => !isRare || all.some((member) => cell(member, now) !== ""),
  );
  const rows = all.map((member) => columns.map(([, cell]) => cell(member, now)));
  const titles = columns.map(([title]) => title);
  const waits = waiting.map(
    (one) =>
      `waits: ${printable(one.name)}  ${printable(one.publicKey)}  (sidewire-mesh approve ${printable(one.name)})`,
  );
  const wrong = troubles.map((one) => paint.yellow(`! ${printable(one)}`));
  return [
    head,
    "",
    table(titles, rows, paint.dim),
    ...(rules === undefined ? [] : ["", rulesText(rules)]),
    ...(waits.length > 0 ? ["", ...waits] : []),
    ...(wrong.length > 0 ? ["", ...wrong] : []),
  ].join("\n");
}

function rulesText(rules: readonly string[]): string {
  if (rules.length === 0) return "rules: none is left, so nobody reaches anybody";
  return ["rules:", ...rules.map((rule) => `  ${printable(rule)}`)].join("\n");
}
