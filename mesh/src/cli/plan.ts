import type { Settings } from "../config/settings.js";
import { ConfiguredPeers } from "../configured-peers.js";
import { Device } from "../device/device.js";
import { DEFAULT_STATE_FOLDER } from "../mesh-options.js";
import { ProbeSockets } from "../probe/probe-sockets.js";
import { formatKey } from "../wireguard-key.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** Prints the commands that `up` would run at its start, as lines for a shell. Changes nothing. */
export async function plan(
  { output, signal }: Context,
  settings: Settings & { readonly interface: string },
): Promise<ExitCode> {
  const { interface: name, create, peers = [], stateFolder = DEFAULT_STATE_FOLDER } = settings;
  await using device = await Device.open(name, { stateFolder, create, isDryRun: true, signal });
  // Finds a port that is free now, as `up` does.
  const sockets = await ProbeSockets.open(() => {});
  await sockets.close();
  const configured = new ConfiguredPeers(peers);
  if (!configured.isEmpty) {
    const own = formatKey(device.state.publicKey ?? new Uint8Array());
    await device.setMembers(configured.with({ addresses: [], peers: [] }, own), signal);
  }
  if (device.state.listenPort > 0) await device.installTable(sockets.port, signal);
  for (const line of device.planned) await output.result({ line }, () => line);
  if (create !== undefined)
    output.note(
      `# where the kernel has no WireGuard, \`wireguard-go ${name}\` is run instead of the first line`,
    );
  if (device.state.listenPort === 0)
    output.note("# and a table of nft for the port that WireGuard chooses: name it with --listen-port");
  return 0;
}
