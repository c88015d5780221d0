import { hostname, release } from "node:os";
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
  const redactor = new Redactor(plain ? [] : namesIn(info));
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

function namesIn(info: MeshInfo | undefined): string[] {
  const names = (info?.peers ?? []).flatMap(({ name }) => name ?? []);
  const turn = (info?.turn ?? []).map(({ server }) => server.replace(/:\d+$/, ""));
  return [...names, ...turn, hostname()];
}
