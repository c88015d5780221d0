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

/** An interface as it is now. */
export interface LiveInterface {
  readonly name: string;
  /** base64; undefined while it has no private key. */
  readonly publicKey: string | undefined;
  /** Where this host may be reached, as far as a daemon knows; empty without one. */
  readonly candidates: readonly CandidateInfo[];
  readonly peers: readonly LivePeer[];
}

export interface LivePeer {
  /** base64. */
  readonly publicKey: string;
  readonly name?: string | undefined;
  readonly allowedIps: readonly string[];
  /** As `wg` writes it. */
  readonly endpoint: string | undefined;
}

/**
 * What a daemon knows of an interface; without a daemon, what WireGuard shows of the one that was named.
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
