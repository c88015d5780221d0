import { ControlClient } from "../control/client.js";
import { runtimeFolder } from "../control/socket-path.js";
import { checkInterfaceName } from "../device/checks.js";
import { Programs } from "../device/programs.js";
import { Reader } from "../device/reader.js";
import { MeshError } from "../errors.js";
import type { CandidateInfo } from "../info.js";
import { formatPrefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import type { Context } from "./context.js";

/** The current state of an interface. */
export interface LiveInterface {
  readonly name: string;
  /** In base64. Undefined while the interface has no private key. */
  readonly publicKey: string | undefined;
  /** The candidates where this host may be reached, as the daemon knows them. Empty without a daemon. */
  readonly candidates: readonly CandidateInfo[];
  readonly peers: readonly LivePeer[];
}

export interface LivePeer {
  /** In base64. */
  readonly publicKey: string;
  readonly name?: string | undefined;
  readonly allowedIps: readonly string[];
  /** In the form of `wg`. */
  readonly endpoint: string | undefined;
}

/**
 * Asks the daemon about an interface. If there is no daemon for a named interface, asks WireGuard.
 * @throws {@link MeshError} `NO_DAEMON`, `NO_INTERFACE`, `NOT_PERMITTED`, `MISSING_PROGRAM`, `INVALID_OPTION`
 */
export async function liveInterface(
  { env, signal }: Pick<Context, "env" | "signal">,
  name: string | undefined,
): Promise<LiveInterface> {
  if (name !== undefined) checkInterfaceName(name);
  try {
    const client = await ControlClient.find(runtimeFolder(env), name);
    const info = await client.status(signal);
    return {
      name: info.interface,
      publicKey: info.publicKey,
      candidates: info.candidates,
      peers: info.peers.map(({ publicKey, name: called, allowedIps, path }) => ({
        publicKey,
        name: called,
        allowedIps,
        endpoint: path?.endpoint,
      })),
    };
  } catch (error) {
    const hasNone = error instanceof MeshError && error.code === "NO_DAEMON";
    if (!hasNone || name === undefined) throw error;
    return await shownInterface(name, signal);
  }
}

async function shownInterface(name: string, signal: AbortSignal): Promise<LiveInterface> {
  const { publicKey, peers } = await new Reader(name, new Programs()).state(signal);
  return {
    name,
    publicKey: publicKey && formatKey(publicKey),
    candidates: [],
    peers: peers.map((peer) => ({
      publicKey: peer.publicKey,
      allowedIps: peer.allowedIps.map(formatPrefix),
      endpoint: peer.endpointText,
    })),
  };
}
