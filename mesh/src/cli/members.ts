import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { MembershipRequest, NetworkInfo } from "../membership/requests.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { count, printable, shortKey, span } from "./printable.js";
import { table } from "./table.js";

export interface MembersOptions {
  readonly interface?: string | undefined;
}

/** Shows who is in the network. */
export async function members({ output, env, signal }: Context, name: string | undefined): Promise<ExitCode> {
  const client = await ControlClient.find(runtimeFolder(env), name);
  const reply = await client.membership({ do: "members" }, signal);
  if (reply.did !== "members") throw new Error("the daemon answered something else");
  await output.result(reply.network, () => membersText(reply.network, Date.now(), output.paint));
  return 0;
}

/** Changes the network, and says what was done. */
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

/** The members of a network, for people. */
export function membersText(network: NetworkInfo, now: number, paint: Context["output"]["paint"]): string {
  const { name, id, isAdmin, members: all, waiting, troubles } = network;
  const head = `${paint.bold(printable(name))}  ${printable(id)}  ${count(all.length, "member")}${isAdmin ? ", this host is an admin" : ""}`;
  const rows = all.map((member) => [
    printable(member.name),
    [member.isAdmin ? "admin" : "", member.isSelf ? "this host" : ""].filter(Boolean).join(", ") || "member",
    shortKey(member.publicKey),
    member.addresses.map(printable).join(" "),
    span(now - member.since),
  ]);
  const titles = ["member", "role", "key", "addresses", ">for"];
  const waits = waiting.map(
    (one) =>
      `waits: ${printable(one.name)}  ${printable(one.publicKey)}  (sidewire-mesh approve ${printable(one.name)})`,
  );
  const wrong = troubles.map((one) => paint.yellow(`! ${printable(one)}`));
  return [
    head,
    "",
    table(titles, rows, paint.dim),
    ...(waits.length > 0 ? ["", ...waits] : []),
    ...(wrong.length > 0 ? ["", ...wrong] : []),
  ].join("\n");
}
