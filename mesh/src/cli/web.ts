import { randomBytes } from "node:crypto";
import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import type { MembershipRequest } from "../membership/requests.js";
import { Feed } from "../web/feed.js";
import { readPageFiles } from "../web/page-files.js";
import { type InviteShown, WebServer } from "../web/server.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { aborted } from "./interrupt.js";
import { netcheckBy } from "./netcheck.js";
import { printable } from "./printable.js";
import { qrPath } from "./qr.js";

export interface WebOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** The next three are for the check of the network, as `netcheck` takes them. */
  readonly stun?: string;
  readonly brokers?: string;
  readonly portMapping?: boolean;
}

const TOKEN_BYTES = 32;

/** Serves a page that shows the mesh, at the loopback, until Ctrl-C. */
export async function web(
  { output, env, signal }: Context,
  name: string | undefined,
  { port = 0, ...checking }: WebOptions,
  folder: URL = new URL("./page/", import.meta.url),
): Promise<ExitCode> {
  const netcheck = await netcheckBy(checking);
  const client = await ControlClient.find(runtimeFolder(env), name);
  // Without a daemon at the start, the name of the interface is probably wrong.
  await client.status(signal);
  const ending = new AbortController();
  const feed = new Feed(client);
  await using server = await WebServer.open(port, {
    token: randomBytes(TOKEN_BYTES).toString("base64url"),
    files: await readPageFiles(folder),
    feed,
    netcheck,
    invite: (request, whenLate) => invite(client, request, whenLate),
  });
  const watching = feed.run(AbortSignal.any([signal, ending.signal]));
  await output.result({ url: server.url }, () => server.url);
  output.note(
    `Open this address in a browser on this machine: it shows ${printable(client.interface)}.` +
      "\nWhoever has the address can invite: keep it to yourself. Ctrl-C ends it.",
  );
  await aborted(signal);
  ending.abort();
  await watching;
  return 0;
}

async function invite(
  client: ControlClient,
  request: MembershipRequest,
  signal: AbortSignal,
): Promise<InviteShown> {
  const reply = await client.membership(request, signal);
  if (reply.did !== "invite") throw new Error("the daemon answered something else");
  const { token, network, expires, uses, notes } = reply;
  return {
    token,
    network: printable(network),
    expires,
    uses,
    notes: notes.map(printable),
    qr: qrPath(token),
  };
}
