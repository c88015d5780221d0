import { isIP } from "node:net";
import { hostname, release } from "node:os";
import { defaultBrokers } from "sidewire";
import { version } from "../../package.json";
import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import { checkInterfaceName } from "../device/checks.js";
import { tableNameOf } from "../device/nft-table.js";
import { MeshError } from "../errors.js";
import type { MeshInfo } from "../info.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { type Machine, thisMachine } from "./machine.js";
import { Redactor } from "./redact.js";

export interface DumpOptions {
  /** Whether public keys, public addresses and names are shown. */
  readonly plain?: true;
}

/** The maximum length of a part, in characters, because people read bug reports. */
const MAX_PART = 200_000;

/**
 * Prints the information for a bug report. The output contains no private and no preshared keys, because `wg show`
 * hides them. Without `--plain`, public keys, public addresses and names are replaced, too.
 */
export async function dump(
  context: Context,
  name: string | undefined,
  { plain }: DumpOptions,
  machine: Machine = thisMachine,
): Promise<ExitCode> {
  const { output } = context;
  if (name !== undefined) checkInterfaceName(name);
  const status = await statusOf(context, name);
  const info = typeof status === "string" ? undefined : status;
  const device = name ?? info?.interface;
  const parts: Record<string, string> = {
    versions: `sidewire-mesh ${version}\nnode ${process.version}\nlinux ${release()}`,
    status: typeof status === "string" ? status : JSON.stringify(status, undefined, 1),
  };
  for (const [title, ...line] of commandsFor(device)) {
    const [program = "", ...args] = line;
    parts[title] = (await machine.run(program, args)).said.slice(0, MAX_PART);
  }
  const redactor = new Redactor(plain || info === undefined ? [hostname()] : await namesIn(info, context));
  const shown = Object.fromEntries(
    Object.entries(parts).map(([title, text]) => [title, plain ? text : redactor.text(text)]),
  );
  await output.result(shown, () =>
    Object.entries(shown)
      .map(([title, text]) => `## ${title}\n\n${text}`)
      .join("\n\n"),
  );
  output.note("Read it before you send it to anybody.");
  return 0;
}

function commandsFor(device: string | undefined): [title: string, program: string, ...args: string[]][] {
  return [
    ["wg --version", "wg", "--version"],
    ["ip -V", "ip", "-V"],
    ["nft --version", "nft", "--version"],
    ["ip -br addr", "ip", "-br", "addr"],
    ["ip route", "ip", "route"],
    ["ip -6 route", "ip", "-6", "route"],
    ["ip rule", "ip", "rule"],
    ...(device === undefined
      ? []
      : ([
          [`wg show ${device}`, "wg", "show", device],
          [`nft list table inet ${tableNameOf(device)}`, "nft", "list", "table", "inet", tableNameOf(device)],
        ] as [string, string, ...string[]][])),
  ];
}

/** The status of the daemon, or the reason why there is no status. */
async function statusOf({ env, signal }: Context, name: string | undefined): Promise<MeshInfo | string> {
  try {
    return await (await ControlClient.find(runtimeFolder(env), name)).status(signal);
  } catch (error) {
    if (!(error instanceof MeshError) || error.code === "ABORTED") throw error;
    return `${error.code}: ${error.message}`;
  }
}

/** The names of peers, members and own servers. */
async function namesIn(info: MeshInfo, context: Context): Promise<string[]> {
  const peers = info.peers.flatMap(({ name }) => name ?? []);
  const turn = (info.turn ?? []).map(({ server }) => server.replace(/:\d+$/, ""));
  // Everybody has the public brokers, and a report is more useful with their names.
  const known = new Set(Object.keys({ ...defaultBrokers.IPv4, ...defaultBrokers.IPv6 }));
  const brokers = info.brokers.map(({ host }) => host).filter((host) => isIP(host) === 0 && !known.has(host));
  return [...peers, ...turn, ...brokers, ...(await namesInNetwork(info.interface, context)), hostname()];
}

/** The names of the network, its members and its newcomers. Troubles name members that are no peers, too. */
async function namesInNetwork(name: string, { env, signal }: Context): Promise<string[]> {
  try {
    const client = await ControlClient.find(runtimeFolder(env), name);
    const reply = await client.membership({ do: "members" }, signal);
    if (reply.did !== "members") return [];
    const { network } = reply;
    return [network.name, ...[...network.members, ...network.waiting].map((one) => one.name)];
  } catch (error) {
    // Most interfaces are in no network.
    if (!(error instanceof MeshError) || error.code === "ABORTED") throw error;
    return [];
  }
}
